"""What yarn_frequencies must do. Oracle: the steps of Peng et al. (2023), pair by pair in Python's floats; equals the
frequencies that Hugging Face's `rope_type: yarn` gives (with `truncate`)."""

import dataclasses
import math

import torch

from fledge.course.grader.checking import Case, Text


def oracle(dim, base, factor, original_length, beta_fast=32.0, beta_slow=1.0):
    low, high = (
        dim / 2 * (math.log(original_length) - math.log(2 * math.pi * beta)) / math.log(base)
        for beta in (beta_fast, beta_slow)
    )
    low, high = max(math.floor(low), 0), min(math.ceil(high), dim - 1)
    frequencies = []
    for i in range(dim // 2):
        stretched = min(max((i - low) / max(high - low, 0.001), 0.0), 1.0)
        frequencies.append(math.pow(base, -2 * i / dim) * (1 - stretched + stretched / factor))
    return torch.tensor(frequencies, dtype=torch.float32), 0.1 * math.log(factor) + 1.0


def cases(rng: torch.Generator) -> list[Case]:
    factor = 2.0 + float(torch.rand((), generator=rng))
    cases = [
        Case("example", (16, 10_000.0, 4.0, 4096), about=Text("题目里的例子", "the example of the task")),
        Case("usual", (64, 10_000.0, 8.0, 4096), about=Text("常见的大小", "usual sizes")),
        Case(
            "other_base",
            (24, 500.0, factor, 1000, 16.0, 1.5),
            about=Text("另一个 base，beta 也不同", "another base and other betas"),
        ),
        Case(
            "betas_by_name",
            (16, 100.0, 5.0, 512),
            {"beta_fast": 8.0, "beta_slow": 2.0},
            about=Text("按名字传入 beta", "betas passed by name"),
        ),
        Case(
            "unchanged",
            (16, 10_000.0, 1.0, 4096),
            about=Text("factor = 1：什么都不变", "factor = 1: nothing changes"),
        ),
        Case(
            "short",
            (16, 10_000.0, 4.0, 64),
            about=Text("原长度很短：low 被截到 0", "a short original length: low is raised to 0"),
        ),
        Case(
            "small_base",
            (16, 20.0, 4.0, 2048),
            about=Text("base 很小：high 被截到 dim - 1", "a small base: high is lowered to dim - 1"),
        ),
        Case(
            "no_band",
            (8, 10_000.0, 2.0, 6),
            extreme=True,
            about=Text("过渡区间的长度为 0", "a band of length 0"),
        ),
        Case("cost", (128, 1_000_000.0, 4.0, 32_768), about=Text("大模型的大小", "the size of a large model")),
    ]
    # The attention factor is a Python float, but a logarithm taken in fp32 is good enough.
    return [dataclasses.replace(case, precision=torch.float32) for case in cases]
