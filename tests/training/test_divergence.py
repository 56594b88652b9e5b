"""The loss of distillation against the formula written out, and against TRL's."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from fledge.training import losses
from fledge.training.divergence import DIVERGENCES, Recipe, distillation_loss, divergence

B, T, D, E, V = 2, 5, 6, 9, 11


@pytest.fixture
def models():
    """Hidden states and heads of a student and of a wider teacher, in fp64 so that only the formula can differ."""
    rng = torch.Generator().manual_seed(0)

    def draw(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=rng, dtype=torch.float64)

    student = draw(B, T, D).requires_grad_(), draw(V, D).requires_grad_()
    targets = torch.randint(0, V, (B, T), generator=rng)
    targets[0, :2] = -100
    return *student, draw(B, T, E), draw(V, E), targets


def written_out(kind: str, temperature: float, p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """p: teacher's logits, q: the student's; summed over everything."""
    p, q = (p / temperature).softmax(-1), (q / temperature).softmax(-1)
    m = (p + q) / 2
    return {
        "forward": (p * (p / q).log()).sum(),
        "reverse": (q * (q / p).log()).sum(),
        "js": ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2,
    }[kind]


@pytest.mark.parametrize("kind", DIVERGENCES)
@pytest.mark.parametrize(("alpha", "temperature"), [(0.0, 1.0), (0.3, 2.0), (1.0, 1.5)])
@pytest.mark.parametrize("chunk", [3, 64])
def test_loss_and_gradients_are_the_formula(models, kind, alpha, temperature, chunk, monkeypatch):
    monkeypatch.setattr(losses, "chunk_size", lambda vocab_size: chunk)
    hidden, head, teacher, teacher_head, targets = models
    total, entropy, apart = distillation_loss(*models, Recipe(kind, temperature, alpha))
    keep = targets != -100
    student = (hidden @ head.T)[keep]
    hard = F.cross_entropy(student, targets[keep], reduction="sum")
    soft = written_out(kind, temperature, (teacher @ teacher_head.T)[keep], student)
    expected = alpha * hard + (1 - alpha) * temperature**2 * soft
    torch.testing.assert_close(total.double(), expected, rtol=1e-5, atol=1e-5)  # logits are made fp32 for the loss
    assert entropy.item() == pytest.approx(hard.item(), rel=1e-5)
    assert apart.item() == pytest.approx(soft.item(), rel=1e-5, abs=1e-5)
    ours = torch.autograd.grad(total, (hidden, head))
    theirs = torch.autograd.grad(expected, (hidden, head))
    for mine, other in zip(ours, theirs):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", DIVERGENCES)
def test_a_student_that_is_its_teacher_has_nothing_to_learn(kind):
    logits = torch.randn(4, V, requires_grad=True)
    apart = divergence(logits, logits.detach(), kind, 2.0)
    apart.backward()
    assert apart.abs() < 1e-6 and logits.grad.abs().max() < 1e-6


def test_the_gradient_is_as_large_at_every_temperature():
    """What T² is for: far above the logits the gradient no longer depends on T. Without it, it would fall to 1/16."""
    student, teacher = torch.randn(3, V, requires_grad=True), torch.randn(3, V)
    norms = []
    for temperature in (25.0, 100.0):
        loss = temperature**2 * divergence(student, teacher, "forward", temperature)
        norms.append(float(torch.autograd.grad(loss, student)[0].norm()))
    assert norms[0] == pytest.approx(norms[1], rel=0.1)


def test_jensen_shannon_has_a_largest_value_and_the_others_have_none():
    apart = torch.tensor([[40.0, 0.0]]), torch.tensor([[0.0, 40.0]])
    assert float(divergence(*apart, "js", 1.0)) == pytest.approx(math.log(2), rel=1e-4)
    assert float(divergence(*apart, "forward", 1.0)) == pytest.approx(40, rel=1e-3)


def test_a_table_that_is_padded_further_changes_nothing():
    student, teacher = torch.randn(3, V), torch.randn(3, V)
    padded = torch.cat((teacher, torch.full((3, 4), 5.0)), dim=1)
    assert torch.equal(divergence(student, padded, "forward", 1.0), divergence(student, teacher, "forward", 1.0))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "beta"), [("forward", 0.0), ("reverse", 1.0), ("js", 0.5)])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_it_is_what_trl_computes(models, kind, beta, temperature):
    with warnings.catch_warnings():  # that it is experimental
        warnings.simplefilter("ignore")
        from trl.experimental.gkd import GKDTrainer

    hidden, head, teacher, teacher_head, targets = (x.float() if x.is_floating_point() else x for x in models)
    student_BTV, teacher_BTV = hidden @ head.T, teacher @ teacher_head.T
    theirs = GKDTrainer.generalized_jsd_loss(
        student_BTV, teacher_BTV, labels=targets, beta=beta, temperature=temperature, reduction="batchmean"
    )  # it divides by the positions that are not masked, and leaves T² out
    total = distillation_loss(hidden, head, teacher, teacher_head, targets, Recipe(kind, temperature, 0.0))[0]
    ours = total / temperature**2 / int((targets != -100).sum())
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
