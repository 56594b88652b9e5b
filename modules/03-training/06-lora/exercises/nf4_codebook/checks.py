"""What nf4_codebook must do. Oracle: the table of QLoRA's appendix E (Dettmers et al., 2023, arXiv:2305.14314)."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.adapt.nf4 import CODEBOOK
from fledge.course.grader.checking import Case, Text


def oracle() -> Tensor:
    return torch.tensor(CODEBOOK)


def cases(rng: torch.Generator) -> list[Case]:
    return [Case("table", (), about=Text("16 个值", "the 16 values"))]
