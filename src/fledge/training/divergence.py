"""How far a student is from its teacher: divergences of their next-token distributions, and the loss of distillation.

Both models read the same tokens. Their hidden states are there for all positions; their logits only for a chunk at a time,
so that two [N, V] tables never lie in memory together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.parts import REFERENCE, Parts
from fledge.training.losses import chunked_loss, learnt_positions

Divergence = Literal["forward", "reverse", "js"]


def forward_kl(teacher_NV: Tensor, student_NV: Tensor) -> Tensor:
    """Sum over N of KL(teacher ‖ student) in nats, from log-probabilities: the student must cover all that the teacher does."""
    return F.kl_div(student_NV, teacher_NV, log_target=True, reduction="sum")


def reverse_kl(teacher_NV: Tensor, student_NV: Tensor) -> Tensor:
    """Sum over N of KL(student ‖ teacher): the student must not say what the teacher would not (Gu et al., MiniLLM, 2024)."""
    return F.kl_div(teacher_NV, student_NV, log_target=True, reduction="sum")


def jensen_shannon(teacher_NV: Tensor, student_NV: Tensor) -> Tensor:
    """Sum over N of the mean KL of both to their middle: symmetric, and at most ln 2 (Lin, 1991)."""
    middle_NV = torch.logaddexp(teacher_NV, student_NV) - math.log(2)
    return (forward_kl(teacher_NV, middle_NV) + forward_kl(student_NV, middle_NV)) / 2


DIVERGENCES: dict[Divergence, Callable[[Tensor, Tensor], Tensor]] = {
    "forward": forward_kl,
    "reverse": reverse_kl,
    "js": jensen_shannon,
}


def common(student_NV: Tensor, teacher_NV: Tensor) -> tuple[Tensor, Tensor]:
    """Both logits in fp32, of the tokens that both have: one model's table may be padded further than the other's."""
    shared = min(student_NV.shape[-1], teacher_NV.shape[-1])
    return student_NV[:, :shared].float(), teacher_NV[:, :shared].float()


def divergence(student_NV: Tensor, teacher_NV: Tensor, kind: Divergence, temperature: float) -> Tensor:
    """Sum over N of the divergence of the softmax of both logits, divided by `temperature`, in nats."""
    student, teacher = ((logits / temperature).log_softmax(-1) for logits in common(student_NV, teacher_NV))
    return DIVERGENCES[kind](teacher, student)


@dataclass(frozen=True)
class Recipe:
    """alpha · cross-entropy + (1 - alpha) · temperature² · divergence (Hinton et al., 2015).

    The gradient of softened distributions shrinks as 1/T²; the factor makes it as large as that of the cross-entropy.
    """

    kind: Divergence = "forward"
    temperature: float = 1.0
    alpha: float = 0.0


def distillation_loss(
    hidden_BTD: Tensor,
    head_VD: Tensor,
    teacher_BTE: Tensor,
    teacher_head_VE: Tensor,
    targets_BT: Tensor,
    recipe: Recipe,
    parts: Parts = REFERENCE,
) -> tuple[Tensor, Tensor, Tensor]:
    """(loss, its cross-entropy, its divergence), sums in nats over the positions whose target is not -100; the last two have
    no gradient. Hidden states and heads are of student and teacher, whose widths D and E may differ."""
    places, targets_N = learnt_positions(targets_BT, hidden_BTD.device)
    teacher_NE = teacher_BTE.flatten(0, 1)[places]
    teacher_head = teacher_head_VE.to(teacher_NE.dtype)
    entropy, apart = torch.zeros((), device=hidden_BTD.device), torch.zeros((), device=hidden_BTD.device)

    def of_chunk(student_nV: Tensor, part: slice) -> Tensor:
        with torch.no_grad():
            teacher_nV = F.linear(teacher_NE[part], teacher_head)
        hard = parts.cross_entropy(student_nV, targets_N[part])
        if recipe.kind == "forward":  # the one that the book builds
            soft = parts.kd_loss(*common(student_nV, teacher_nV), recipe.temperature)
        else:
            soft = recipe.temperature**2 * divergence(student_nV, teacher_nV, recipe.kind, recipe.temperature)
        entropy.add_(hard.detach())
        apart.add_(soft.detach() / recipe.temperature**2)
        return recipe.alpha * hard + (1 - recipe.alpha) * soft

    return chunked_loss(hidden_BTD.flatten(0, 1)[places], head_VD, of_chunk), entropy, apart
