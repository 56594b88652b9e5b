"""What quantize_nf4 must do. Oracle: number by number in float64, the first of the nearest values."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.adapt.nf4 import codebook as nf4
from fledge.course.grader.checking import Case, Text, normal


def oracle(w: Tensor, codebook: Tensor, block: int) -> tuple[Tensor, Tensor]:
    values, numbers = codebook.double().tolist(), w.double().flatten().tolist()
    codes, absmax = [], []
    for begin in range(0, len(numbers), block):
        part = numbers[begin : begin + block]
        largest = max(abs(number) for number in part)
        absmax.append(largest)
        unit = [number / largest if largest else 0.0 for number in part]
        codes.append([min(range(len(values)), key=lambda i: abs(values[i] - number)) for number in unit])
    return torch.tensor(codes, dtype=torch.uint8), torch.tensor(absmax, dtype=torch.float32)


def clear(w: Tensor, values: Tensor, block: int) -> Tensor:
    """The same numbers without those that lie in the middle of two values, where a rounding would decide."""
    blocks = w.float().reshape(-1, block)
    unit = blocks / blocks.abs().amax(1, keepdim=True).clamp(min=1e-30)
    distance = (unit[..., None] - values).abs().sort(-1).values
    doubtful = (distance[..., 1] - distance[..., 0]) < 1e-4
    return blocks.masked_fill(doubtful, 0.0).reshape(w.shape).to(w.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    values = nf4()

    def case(name: str, w: Tensor, block: int, zh: str, en: str, book: Tensor = values, **more: bool) -> Case:
        return Case(name, (clear(w, book, block), book, block), about=Text(zh, en), **more)

    outlier = normal(rng, 8, 16)
    outlier[2, 3] = 50
    negative = normal(rng, 4, 16).abs().neg() - 0.5
    zeros = normal(rng, 4, 16)
    zeros[1] = 0
    three = torch.tensor([-1.0, 0.0, 1.0])
    return [
        case("example", torch.tensor([[0.5, -2.0], [0.1, 0.3]]), 2, "题目里的例子", "the example of the task", three),
        case(
            "plain",
            normal(rng, 8, 64, scale=0.02),
            64,
            "权重大小的数，每行一块",
            "numbers as large as weights, a row a block",
        ),
        case("small_blocks", normal(rng, 6, 32), 8, "一行有几块", "several blocks in a row"),
        case("across_rows", normal(rng, 6, 8), 16, "一块跨两行", "a block over two rows"),
        case("one_dimension", normal(rng, 48), 16, "一维", "one dimension"),
        case("outlier", outlier, 16, "有一个特别大的数", "one very large number"),
        case("negative", negative, 16, "全是负数", "negative numbers only"),
        case("tiny", normal(rng, 4, 16, scale=1e-6), 16, "很小的数", "very small numbers"),
        case("zeros", zeros, 16, "有一块全是 0", "a block of zeros", extreme=True),
        case("bfloat16", normal(rng, 4, 32).bfloat16(), 16, "bfloat16", "bfloat16"),
    ]
