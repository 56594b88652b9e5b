"""What double_quant must do. Oracle: number by number, in Python's floats."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(scales: Tensor, block: int) -> tuple[Tensor, Tensor, float]:
    numbers = scales.double().tolist()
    mean = sum(numbers) / len(numbers)
    codes, absmax = [], []
    for begin in range(0, len(numbers), block):
        part = [number - mean for number in numbers[begin : begin + block]]
        largest = max(abs(number) for number in part)
        absmax.append(largest)
        codes.append([round(number / largest * 127) if largest else 0 for number in part])
    return torch.tensor(codes, dtype=torch.int8), torch.tensor(absmax, dtype=torch.float32), mean


def judge(got: object, args: tuple[object, ...]) -> Text | None:
    """The codes and the mean as the oracle's; the mean may have been taken in float32, and a code may be one off at a tie."""
    scales, block = args
    assert isinstance(scales, Tensor) and isinstance(block, int)
    codes, absmax, mean = oracle(scales, block)
    if not isinstance(got, tuple) or len(got) != 3:
        return Text("要返回三样：编号、absmax、平均。", "Three things are returned: codes, absmax and the mean.")
    if not all(isinstance(x, Tensor) for x in got[:2]) or isinstance(got[2], (bool, Tensor)):
        return Text("编号和 absmax 是张量，平均是一个 float。", "Codes and absmax are tensors, the mean is a float.")
    if got[0].dtype != torch.int8 or got[1].dtype != torch.float32:
        return Text("编号是 int8，absmax 是 float32。", "Codes are int8, and absmax is float32.")
    if got[0].shape != codes.shape or got[1].shape != absmax.shape:
        return Text("编号是 [块数, block]，absmax 是 [块数]。", "Codes are [blocks, block], and absmax is [blocks].")
    size = scales.double().abs().max().item()
    if not abs(got[2] - mean) <= 1e-5 * size:
        return Text(f"平均是 {mean:.6g}，你给的是 {got[2]:.6g}。", f"The mean is {mean:.6g}; yours is {got[2]:.6g}.")
    if not (got[1].double() - absmax.double()).abs().max() <= 1e-5 * size:
        return Text(
            "absmax 不对：是减去平均以后、每一块的。",
            "absmax is wrong: it is of a block, after the mean was taken off.",
        )
    unit = (scales.double() - mean).reshape(-1, block) / absmax.double().clamp(min=1e-300)[:, None] * 127
    off = (got[0].double() - unit).abs()
    if (off.where(absmax[:, None] > 1e-5 * size, got[0].double().abs()) > 0.502).any():
        return Text("有编号不是最近的那个。", "A code is not the nearest one.")
    return None


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, scales: Tensor, block: int, zh: str, en: str, *, extreme: bool = False) -> Case:
        return Case(name, (scales, block), judge=judge, extreme=extreme, about=Text(zh, en))

    def scales(count: int) -> Tensor:
        return 0.05 + 0.01 * normal(rng, count).abs()

    outlier = scales(32)
    outlier[5] = 3
    return [
        case("example", torch.tensor([1.0, 2.0, 3.0, 6.0]), 2, "题目里的例子", "the example of the task"),
        case("usual", scales(512), 256, "平常的大小", "usual sizes"),
        case("small_blocks", scales(48), 8, "小块", "small blocks"),
        case("one_block", scales(16), 16, "只有一块", "a single block"),
        case("outlier", outlier, 16, "有一个特别大的", "one very large scale"),
        case(
            "level",
            torch.tensor([2.0, 2.0, 1.0, 3.0]),
            2,
            "有一块正好都是平均",
            "a block that is the mean itself",
            extreme=True,
        ),
        case("equal", torch.full((8,), 0.5), 4, "全都一样", "all equal", extreme=True),
        case("bfloat16", scales(64).bfloat16(), 16, "bfloat16", "bfloat16"),
        case("large", 1000 * scales(64), 16, "很大的系数", "large scales"),
    ]
