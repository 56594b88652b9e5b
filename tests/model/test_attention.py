"""Attention written out equals the fused kernel, values and gradients, with every mask and head grouping that we use."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fledge.parts.reference import attention, causal_mask, explicit_attention


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_explicit_equals_fused(heads, masked):
    generator = torch.Generator().manual_seed(0)
    H, G = heads
    q, k, v = (torch.randn(2, n, 9, 8, generator=generator, requires_grad=True) for n in (H, G, G))
    mask = causal_mask(9, q)
    if masked:  # two documents in a row
        segment = torch.tensor([[0] * 4 + [1] * 5, [0] * 7 + [1] * 2])
        mask = mask.masked_fill((segment[:, None, :, None] != segment[:, None, None, :]), float("-inf"))
    fused = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=G != H)
    ours = explicit_attention(q, k, v, mask)
    assert torch.allclose(ours, fused, atol=1e-5)
    weight = torch.randn(fused.shape, generator=generator)
    for a, b in zip(
        torch.autograd.grad((ours * weight).sum(), (q, k, v)), torch.autograd.grad((fused * weight).sum(), (q, k, v))
    ):
        assert torch.allclose(a, b, atol=1e-4)


def test_training_in_bf16_agrees_with_fp32_and_is_causal_without_a_mask():
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, n, 16, 8, generator=generator) for n in (4, 2, 2))
    expected = attention(q, k, v, None)
    found = attention(*(x.bfloat16().requires_grad_() for x in (q, k, v)), None)
    assert found.dtype == torch.bfloat16 and (found.float() - expected).abs().max() < 0.05
    v2 = v.clone()
    v2[:, :, 10:] = 100.0
    changed = attention(*(x.bfloat16().requires_grad_() for x in (q, k, v2)), None)
    assert torch.equal(changed[:, :, :10], found[:, :, :10])


@pytest.mark.parametrize("shape", [(2, 4, 6, 9), (2, 1, 6, 9), (1, 1, 6, 9), (6, 9)])
@pytest.mark.parametrize("kind", ["bool", "additive"])
def test_a_mask_may_be_bool_or_additive_and_broadcasts(shape, kind):
    """Also on the path of training in bf16, which writes the formula out."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, n, t, 8, generator=generator) for n, t in ((4, 6), (2, 9), (2, 9)))
    mask = torch.rand(shape, generator=generator) < 0.7
    mask[..., 0] = True
    if kind == "additive":
        mask = torch.zeros(shape).masked_fill(~mask, float("-inf"))
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    half = mask if kind == "bool" else mask.bfloat16()
    found = attention(*(x.bfloat16().requires_grad_() for x in (q, k, v)), half)
    assert found.requires_grad and (found.float() - expected).abs().max() < 0.05
