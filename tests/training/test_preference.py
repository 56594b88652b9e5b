"""Losses of preferences beside the same written out in float64, log-probabilities beside plain ones, and a kept reference."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from fledge.data.batches import TokenBatch
from fledge.data.pairs import AnswerBatch
from fledge.training import losses, preference
from fledge.training.logps import sequence_logps, token_logps

GENERATOR = torch.Generator().manual_seed(0)
CHOSEN, REJECTED, REF_CHOSEN, REF_REJECTED = (-30 * torch.rand(4, 9, generator=GENERATOR)).unbind()
LENGTHS = tuple(torch.randint(1, 20, (2, 9), generator=GENERATOR).unbind())
GOOD = torch.tensor([True, False, True, True, False, True, False, False, True])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def written_out(loss, i):
    """One pair (or the i-th answer of CHOSEN, for KTO) in Python's floats."""
    c, r, rc, rr = (float(x[i]) for x in (CHOSEN, REJECTED, REF_CHOSEN, REF_REJECTED))
    n, m = (float(length[i]) for length in LENGTHS)
    logit = 0.3 * ((c - rc) - (r - rr))
    if loss == "dpo":
        return -math.log(sigmoid(logit))
    if loss == "cdpo":
        return -0.8 * math.log(sigmoid(logit)) - 0.2 * math.log(sigmoid(-logit))
    if loss == "ipo":
        return ((c - rc) / n - (r - rr) / m - 1 / 0.6) ** 2
    if loss == "simpo":
        return -math.log(sigmoid(0.3 * (c / n - r / m) - 0.7))
    if loss == "orpo":
        odds = [math.exp(x) / (1 - math.exp(x)) for x in (c / n, r / m)]
        return -c / n - 0.3 * math.log(sigmoid(math.log(odds[0] / odds[1])))
    sign, weight = (1, 1.5) if GOOD[i] else (-1, 0.5)
    return weight * (1 - sigmoid(sign * 0.3 * (c - rc - 2.0)))


def ours(loss, chosen, rejected):
    if loss == "dpo":
        return preference.dpo_loss(chosen, rejected, REF_CHOSEN, REF_REJECTED, 0.3)
    if loss == "cdpo":
        return preference.dpo_loss(chosen, rejected, REF_CHOSEN, REF_REJECTED, 0.3, 0.2)
    if loss == "ipo":
        return preference.ipo_loss(chosen, rejected, REF_CHOSEN, REF_REJECTED, 0.3, LENGTHS)
    if loss == "simpo":
        return preference.simpo_loss(chosen, rejected, 0.3, 0.7, LENGTHS)
    if loss == "orpo":
        return preference.orpo_loss(chosen, rejected, 0.3, LENGTHS)
    return preference.kto_loss(chosen, REF_CHOSEN, GOOD, torch.tensor(2.0), 0.3, (1.5, 0.5))


@pytest.mark.parametrize("loss", ["dpo", "cdpo", "ipo", "simpo", "orpo", "kto"])
def test_a_loss_is_its_formula(loss):
    expected = torch.tensor([written_out(loss, i) for i in range(9)])
    assert torch.allclose(ours(loss, CHOSEN, REJECTED), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", ["dpo", "cdpo", "ipo", "simpo", "orpo", "kto"])
def test_its_gradient_is_that_of_differences(loss):
    chosen, rejected = CHOSEN.double().requires_grad_(), REJECTED.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda c, r: ours(loss, c, r), (chosen, rejected), atol=1e-4)


def test_a_model_that_is_its_reference_prefers_nothing():
    same = preference.dpo_loss(CHOSEN, REJECTED, CHOSEN, REJECTED, 0.1, 0.25)
    assert torch.allclose(same, torch.tensor(math.log(2)))
    zero = torch.zeros(5)
    assert torch.allclose(preference.reward_loss(zero, zero, zero, 0.01), torch.tensor(math.log(2)))


def test_losses_are_finite_far_out():
    far = torch.tensor([-1e4, -200.0, -1e-7], requires_grad=True)
    near = far.detach().flip(0)
    one = (torch.ones(3), torch.ones(3))
    for loss in (
        preference.dpo_loss(far, near, near, far, 1.0),
        preference.orpo_loss(far, near, 0.1, one),
        preference.simpo_loss(far, near, 2.0, 1.0, one),
        preference.reward_loss(far, near, torch.zeros(3), 0.0),
    ):
        (gradient,) = torch.autograd.grad(loss.sum(), far)
        assert loss.isfinite().all() and gradient.isfinite().all()


def test_the_margin_asks_for_more_and_the_centre_for_a_mean_of_0():
    chosen, rejected = torch.tensor([3.0]), torch.tensor([1.0])
    plain = preference.reward_loss(chosen, rejected, torch.zeros(1), 0.0)
    assert plain.item() == pytest.approx(-math.log(sigmoid(2.0)))
    assert preference.reward_loss(chosen, rejected, torch.tensor([1.5]), 0.0).item() == pytest.approx(
        -math.log(sigmoid(0.5))
    )
    assert (preference.reward_loss(chosen, rejected, torch.zeros(1), 0.1) - plain).item() == pytest.approx(0.1 * 16)


def test_log_probabilities_and_their_gradients_are_the_plain_ones(monkeypatch):
    monkeypatch.setattr(losses, "MAX_LOGITS", 97 * 64)  # chunks of 64 positions: several, and a short last one
    hidden = torch.randn(3, 50, 16, generator=GENERATOR, requires_grad=True)
    weight = torch.randn(97, 16, generator=GENERATOR, requires_grad=True)
    targets = torch.randint(0, 97, (3, 50), generator=GENERATOR)
    targets[torch.rand(3, 50, generator=GENERATOR) < 0.4] = -100
    kept = targets != -100
    plain = F.log_softmax(hidden @ weight.T, -1)[kept].gather(1, targets[kept][:, None]).squeeze(1)
    upstream = torch.randn(len(plain), generator=GENERATOR)
    expected = torch.autograd.grad(plain, (hidden, weight), upstream)
    found = token_logps(hidden, weight, targets)
    assert torch.allclose(found, plain, rtol=1e-5, atol=1e-5)
    for a, b in zip(torch.autograd.grad(found, (hidden, weight), upstream), expected):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        assert torch.equal(token_logps(hidden, weight, targets), found)
    assert token_logps(hidden, weight, torch.full((3, 50), -100)).shape == (0,)


def test_answers_are_summed_by_their_segments():
    targets = torch.tensor([[5, -100, 7, 8], [-100, 1, 2, -100]])
    segments = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 2]])
    tokens = TokenBatch(targets.clamp(min=0), targets, torch.zeros(2, 4), segments, None, 5, 0)
    batch = AnswerBatch(tokens, torch.tensor([4, 5, 8, 9]), torch.tensor([2, 2]), in_pairs=True)
    assert batch.places_M().tolist() == [0, 1, 1, 2, 3] and batch.ends_N().tolist() == [1, 4, 6, 7]
    hidden, weight = torch.randn(2, 4, 8, generator=GENERATOR), torch.randn(11, 8, generator=GENERATOR)
    plain = F.log_softmax(hidden @ weight.T, -1)
    expected = [plain[0, 0, 5], plain[0, 2, 7] + plain[0, 3, 8], plain[1, 1, 1], plain[1, 2, 2]]
    found = sequence_logps(hidden, weight, targets, batch.places_M(), 4)
    assert torch.allclose(found, torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_orpo_of_an_answer_that_is_certain_stays_a_number():
    chosen = torch.tensor([0.0, -1.0], requires_grad=True)
    loss = preference.orpo_loss(chosen, torch.tensor([-3.0, 0.0]), 0.1, (torch.ones(2), torch.ones(2))).sum()
    loss.backward()
    assert loss.isfinite() and chosen.grad is not None and chosen.grad.isfinite().all()
