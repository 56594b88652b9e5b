"""What kl_estimate must do. Oracle: the formulas in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(logp_N: Tensor, ref_logp_N: Tensor, kind: str) -> Tensor:
    ratio = (ref_logp_N.double() - logp_N.double()).exp()
    log = ratio.log()
    found = {"k1": -log, "k2": 0.5 * log * log, "k3": ratio - 1 - log}[kind]
    return found.to(logp_N.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def pair(n: int) -> tuple[Tensor, Tensor]:
        return -normal(rng, n).abs() - 0.5, -normal(rng, n).abs() - 0.5

    found = [
        Case(
            "example",
            (torch.tensor([0.5]).log(), torch.tensor([0.25]).log(), "k3"),
            about=Text("题目里的例子", "the example"),
        )
    ]
    for kind in ("k1", "k2", "k3"):
        found.append(
            Case(kind, (*pair(8), kind), grad=True, slack=64, about=Text(f"八个词元，{kind}", f"eight tokens, {kind}"))
        )
    logp = -normal(rng, 5).abs()
    found += [
        Case("equal", (logp, logp.clone(), "k3"), about=Text("两个模型一样", "models that agree")),
        Case("reference_prefers", (torch.tensor([-5.0]), torch.tensor([-1.0]), "k3"), slack=64,
             about=Text("参考模型更偏爱的词元", "a token that the reference prefers")),
        Case("reference_prefers_k1", (torch.tensor([-5.0]), torch.tensor([-1.0]), "k1"),
             about=Text("同上，k1 是负的", "the same: k1 is negative")),
        Case("double", (*(p.double() for p in pair(4)), "k3"), slack=64, about=Text("float64", "float64")),
        Case("one", (*pair(1), "k2"), slack=64, about=Text("只有一个词元", "one token")),
    ]  # fmt: skip
    return found
