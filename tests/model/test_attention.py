"""Attention written out equals the fused kernel, values and gradients, with every mask and head grouping that we use."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from fledge.parts import reference
from fledge.parts.reference import attention, causal_mask, explicit_attention, fused_takes_groups


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


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize("shape", [None, (2, 4, 1, 9), (2, 1, 1, 9), (1, 1, 1, 9), (1, 9)])
def test_one_new_token_over_a_cache(heads, shape):
    """The query heads of a group are rows of one product then; the mask follows them, whatever it broadcasts from."""
    generator = torch.Generator().manual_seed(0)
    H, G = heads
    q, k, v = (torch.randn(2, n, t, 8, generator=generator) for n, t in ((H, 1), (G, 9), (G, 9)))
    mask = None if shape is None else torch.rand(shape, generator=generator) < 0.6
    for of in [mask] if mask is None else [mask, torch.zeros(shape).masked_fill(~mask, -1e4)]:
        assert torch.allclose(attention(q, k, v, of), explicit_attention(q, k, v, of), atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_keys_repeated_for_all_heads_give_the_same(masked, monkeypatch):
    """What runs on CUDA where no fused kernel takes groups; SDPA must not be asked for them."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, n, 9, 8, generator=generator, requires_grad=True) for n in (6, 2, 2))
    mask = causal_mask(9, q) if masked else None
    expected = explicit_attention(q, k, v, causal_mask(9, q))
    monkeypatch.setattr(reference, "fused_takes_groups", lambda *_: False)
    asked = []
    sdpa = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F,
        "scaled_dot_product_attention",
        lambda *a, **k: asked.append((a[1].shape[1], k["enable_gqa"])) or sdpa(*a, **k),
    )
    found = attention(q, k, v, mask)
    assert asked == [(6, False)]
    assert torch.allclose(found, expected, atol=1e-5)
    weight = torch.randn(found.shape, generator=generator)
    for a, b in zip(
        torch.autograd.grad((found * weight).sum(), (q, k, v)),
        torch.autograd.grad((expected * weight).sum(), (q, k, v)),
    ):
        assert torch.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    "device, dtype, size, capability, masked, takes",
    [
        ("cpu", torch.float32, 64, 0, True, True),
        ("cuda", torch.bfloat16, 64, 8, False, True),
        ("cuda", torch.float16, 64, 9, False, True),
        ("cuda", torch.bfloat16, 64, 9, True, False),  # packed rows
        ("cuda", torch.float32, 64, 9, False, False),
        ("cuda", torch.float16, 64, 7, False, False),  # T4: no flash attention
        ("cuda", torch.bfloat16, 512, 9, False, False),
    ],
)
def test_which_kernels_take_groups(device, dtype, size, capability, masked, takes, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(major=capability))
    q = SimpleNamespace(device=SimpleNamespace(type=device), dtype=dtype, shape=(1, 4, 8, size))
    assert fused_takes_groups(q, torch.zeros(8, 8) if masked else None) is takes
