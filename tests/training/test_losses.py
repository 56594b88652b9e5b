"""The chunked loss is the plain loss: value and gradients; masks and chunks change nothing."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fledge.training import losses
from fledge.training.losses import linear_cross_entropy, token_nll


def problem(masked: bool):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 50, 16, generator=generator, requires_grad=True)
    weight = torch.randn(97, 16, generator=generator, requires_grad=True)
    targets = torch.randint(0, 97, (3, 50), generator=generator)
    if masked:
        targets[torch.rand(3, 50, generator=generator) < 0.5] = -100
    return hidden, weight, targets


@pytest.mark.parametrize("masked", [False, True])
def test_chunked_equals_plain(masked, monkeypatch):
    monkeypatch.setattr(losses, "MAX_LOGITS", 97 * 64)  # chunks of 64 positions: several, and a short last one
    hidden, weight, targets = problem(masked)
    plain = F.cross_entropy((hidden @ weight.T).flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")
    expected = torch.autograd.grad(plain / 7, (hidden, weight))
    chunked = linear_cross_entropy(hidden, weight, targets)
    found = torch.autograd.grad(chunked / 7, (hidden, weight))
    assert torch.allclose(chunked, plain, rtol=1e-6)
    for a, b in zip(found, expected):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(linear_cross_entropy(hidden, weight, targets), plain, rtol=1e-6)
        assert torch.allclose(token_nll(hidden, weight, targets).sum(), plain, rtol=1e-6)


def test_all_targets_masked_is_zero_and_finite():
    hidden, weight, targets = problem(False)
    loss = linear_cross_entropy(hidden, weight, torch.full_like(targets, -100))
    loss.backward()
    assert loss.item() == 0 and hidden.grad.abs().max() == 0


def test_logits_of_the_whole_batch_are_never_built():
    """Watch every tensor that the forward and backward make: none may hold N x V elements."""
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, (tuple, list)) else (out,):
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.numel())
            return out

    vocab, count = 50_000, 2048
    hidden = torch.randn(count, 8, requires_grad=True)
    weight = torch.randn(vocab, 8, requires_grad=True)
    with Watch():
        linear_cross_entropy(hidden[None], weight, torch.zeros(1, count, dtype=torch.long)).backward()
    assert largest <= losses.MAX_LOGITS < vocab * count
