"""Advantages and losses against plain written-out versions of them, and their landmarks."""

from __future__ import annotations

import math

import pytest
import torch

from fledge.rollout.advantages import Baseline, gae, group_advantage, whiten, zero_signal
from fledge.rollout.policy import cispo_loss, clipped_loss, k3, value_loss

GENERATOR = torch.Generator().manual_seed(0)


def draw(n: int) -> torch.Tensor:
    return torch.randn(n, generator=GENERATOR, dtype=torch.float64)


def test_gae_is_the_discounted_sum_of_all_later_surprises():
    rewards, values, gamma, lam = draw(7).tolist(), draw(7).tolist(), 0.9, 0.8
    after = [*values[1:], 0.0]
    deltas = [r + gamma * nxt - v for r, v, nxt in zip(rewards, values, after)]
    expected = [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, 7)) for t in range(7)]
    advantages, returns = gae(rewards, values, gamma, lam)
    assert advantages == pytest.approx(expected)
    assert returns == pytest.approx([a + v for a, v in zip(expected, values)])


def test_gae_at_its_ends():
    values = [0.5, 0.25, 1.0]
    assert gae([0, 0, 1.0], values, 1.0, 1.0)[0] == pytest.approx([0.5, 0.75, 0.0])  # the reward minus the value
    assert gae([0, 0, 1.0], values, 1.0, 0.0)[0] == pytest.approx([-0.25, 0.75, 0.0])  # one step ahead
    assert gae([0, 0, 1.0], values, 1.0, 1.0)[1] == pytest.approx([1, 1, 1])


def written_out(logp, old, advantage, value, old_value, target, clip, value_clip):
    """PPO token by token, in words of the paper: (policy losses, value losses, gradients of both)."""
    policy, critic, d_logp, d_value = [], [], [], []
    for lp, ol, a, v, ov, r in zip(*map(torch.Tensor.tolist, (logp, old, advantage, value, old_value, target))):
        ratio = math.exp(lp - ol)
        held = min(max(ratio, 1 - clip), 1 + clip)
        policy.append(-min(ratio * a, held * a))
        stopped = (a > 0 and ratio > 1 + clip) or (a < 0 and ratio < 1 - clip)
        d_logp.append(0.0 if stopped else -ratio * a)
        near = ov + min(max(v - ov, -value_clip), value_clip)
        critic.append(max((v - r) ** 2, (near - r) ** 2) / 2)
        own = (v - r) ** 2 >= (near - r) ** 2
        d_value.append((v - r) if own else (near - r) * (abs(v - ov) < value_clip))
    return policy, critic, d_logp, d_value


def test_ppo_equals_the_written_out_one():
    logp, old, advantage = draw(400) - 1, draw(400) - 1, draw(400)
    value, old_value, target = draw(400), draw(400), draw(400)
    logp.requires_grad_(), value.requires_grad_()
    policy, clipped = clipped_loss(logp, old, advantage, 0.2, 0.2)
    critic = value_loss(value, old_value, target, 0.3)
    (policy.sum() + critic.sum()).backward()
    ours = (policy.tolist(), critic.tolist(), logp.grad.tolist(), value.grad.tolist())
    theirs = written_out(logp, old, advantage, value, old_value, target, 0.2, 0.3)
    for mine, plain in zip(ours, theirs):
        assert mine == pytest.approx(plain, abs=1e-12)
    assert torch.equal(clipped, logp.grad == 0) and 0.2 < clipped.double().mean() < 0.6


def test_cispo_keeps_the_gradient_of_every_token():
    logp = draw(50).requires_grad_()
    old, advantage = draw(50), draw(50)
    loss, cut = cispo_loss(logp, old, advantage, 1.5)
    loss.sum().backward()
    weights = (logp.detach() - old).exp().clamp(max=1.5)
    torch.testing.assert_close(logp.grad, -weights * advantage)
    assert cut.any() and not cut.all() and (logp.grad != 0).all()


def test_at_ratio_1_every_surrogate_has_the_policy_gradient():
    logp, advantage = draw(20).requires_grad_(), draw(20)
    for loss in (
        clipped_loss(logp, logp.detach(), advantage, 0.2, 0.2)[0],
        cispo_loss(logp, logp.detach(), advantage, 5.0)[0],
    ):
        (gradient,) = torch.autograd.grad(loss.sum(), logp)
        torch.testing.assert_close(gradient, -advantage)


def test_k3_is_0_for_equal_policies_never_negative_and_right_on_average():
    logp = draw(10)
    assert (k3(logp, logp) == 0).all() and (k3(draw(1000), draw(1000)) >= 0).all()
    p, q = (torch.softmax(draw(5), 0) for _ in range(2))
    exact = (p * (p / q).log()).sum()
    estimate = (p * k3(p.log(), q.log())).sum()  # its mean under p
    torch.testing.assert_close(estimate, exact)


def test_group_advantages():
    rewards = torch.tensor([[1.0, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 1]])
    plain = group_advantage(rewards, normalise=False)
    torch.testing.assert_close(plain, torch.tensor([[0.5, -0.5, -0.5, 0.5], [0] * 4, [-0.25, -0.25, -0.25, 0.75]]))
    scaled = group_advantage(rewards)
    torch.testing.assert_close(scaled[0], plain[0] / (rewards[0].std() + 1e-4))
    assert (scaled[1] == 0).all() and zero_signal(rewards).tolist() == [False, True, False]


def test_whiten():
    values = whiten(draw(100) * 7 + 3)
    assert values.mean().abs() < 1e-12 and values.square().mean().item() == pytest.approx(1, abs=1e-6)
    for value in (2.0, 3.3, 0.1):  # of 37 equal ones the mean is not quite the value
        assert whiten(torch.full((37,), value)).tolist() == [0] * 37


def test_the_baseline_follows_a_prompt_and_begins_where_the_others_are():
    baseline = Baseline(0.5)
    assert baseline.expected(1) == 0
    baseline.learn(1, 1.0)
    assert baseline.expected(1) == 1 and baseline.expected(2) == 1  # unseen: as the others
    baseline.learn(2, 0.0)
    # two visits' worth of the others' mean 1, halved, and one reward of 0: 1 / (1 + 1)
    assert baseline.expected(2) == pytest.approx(0.5)
    for _ in range(60):
        baseline.learn(1, 0.25)
    assert baseline.expected(1) == pytest.approx(0.25) and baseline.expected(2) == pytest.approx(0.5)
    again = Baseline(0.5)
    again.load_state_dict(baseline.state_dict())
    assert again.expected(2) == baseline.expected(2)
