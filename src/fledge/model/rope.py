"""Rotary position embedding: the angles, and how long-context scaling bends them."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from fledge.errors import UserError
from fledge.lang import _
from fledge.model.config import ModelConfig


def rope_frequencies(config: ModelConfig) -> tuple[Tensor, float]:
    """Return (inverse frequencies fp32 [D/2], attention factor). Source: RoFormer; scaling as in HF's rope utilities."""
    dim = config.head_dim or 0
    inv_freq = 1.0 / config.rope_theta ** (torch.arange(0, dim, 2, dtype=torch.int64).float() / dim)
    scaling = config.rope_scaling
    if not scaling:
        return inv_freq, 1.0
    kind = scaling.get("rope_type")
    try:
        if kind == "linear":
            return inv_freq / scaling["factor"], 1.0
        if kind == "llama3":
            return _llama3(inv_freq, scaling), 1.0
        if kind == "yarn":
            return _yarn(inv_freq, config, scaling)
    except KeyError as missing:
        raise UserError(
            _("rope_scaling of type '{kind}' needs {missing}: add it beside rope_type.").format(
                kind=kind, missing=missing
            )
        ) from None
    raise UserError(_("rope_scaling type '{kind}' is not supported; use linear, llama3 or yarn.").format(kind=kind))


def local_frequencies(config: ModelConfig) -> Tensor | None:
    """Inverse frequencies of the layers with a window, where they have a base of their own (Gemma 3); else None."""
    if config.rope_local_base_freq is None:
        return None
    return rope_frequencies(replace(config, rope_theta=config.rope_local_base_freq, rope_scaling=None))[0]


def _llama3(inv_freq: Tensor, scaling: dict) -> Tensor:
    """Llama 3.1: slow frequencies are divided by `factor`, fast ones kept, the band between interpolated."""
    factor, low, high = scaling["factor"], scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * inv_freq / (2 * math.pi)  # over the original context
    keep = ((turns - low) / (high - low)).clamp(0, 1)  # 0 = stretch fully, 1 = leave alone
    return inv_freq * (keep + (1 - keep) / factor)


def _yarn(inv_freq: Tensor, config: ModelConfig, scaling: dict) -> tuple[Tensor, float]:
    """YaRN (Peng et al., 2023): interpolate by parts between beta_slow and beta_fast turns, and sharpen attention."""
    dim, factor = inv_freq.numel() * 2, scaling["factor"]
    original = scaling.get("original_max_position_embeddings") or config.max_position_embeddings

    def dimension_with(turns: float) -> float:
        return dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(config.rope_theta))

    low, high = dimension_with(scaling.get("beta_fast") or 32), dimension_with(scaling.get("beta_slow") or 1)
    if scaling.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    ramp = ((torch.arange(dim // 2).float() - low) / max(high - low, 0.001)).clamp(0, 1)
    attention_factor = scaling.get("attention_factor")
    if attention_factor is None:
        attention_factor = 0.1 * math.log(factor) + 1.0 if factor > 1 else 1.0
    return inv_freq / factor * ramp + inv_freq * (1 - ramp), attention_factor


def rope_tables(inv_freq: Tensor, positions: Tensor, factor: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos and sin for `positions` [T] or [B, T] -> [T, D] or [B, 1, T, D] (the 1 is the head axis)."""
    angles = positions[..., None].float() * inv_freq
    angles = torch.cat((angles, angles), dim=-1)
    if positions.dim() == 2:
        angles = angles[:, None]
    return (angles.cos() * factor).to(dtype), (angles.sin() * factor).to(dtype)
