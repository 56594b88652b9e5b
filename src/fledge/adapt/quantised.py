"""A frozen linear layer in four bits: it is dequantised for every use and passes gradients on to its input."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.adapt.format import LINEAR
from fledge.adapt.nf4 import BLOCK, NF4, SCALE_BLOCK, codebook, dequantise, dynamic_codebook, quantise
from fledge.model.layers import Linear
from fledge.model.transformer import Transformer


class NF4Linear(nn.Module):
    """`base` with its weight in four bits and its bias as it was; nothing of it is trained."""

    packed: Tensor
    scales: Tensor
    scale_of_scales: Tensor
    offset: Tensor

    def __init__(self, base: nn.Linear):
        super().__init__()
        self.in_features, self.out_features = base.in_features, base.out_features
        quantised = quantise(base.weight)
        for name in ("packed", "scales", "scale_of_scales", "offset"):
            setattr(self, name, nn.Parameter(getattr(quantised, name), requires_grad=False))
        self.bias = None if base.bias is None else nn.Parameter(base.bias.detach(), requires_grad=False)

    @property
    def quantised(self) -> NF4:
        shape = (self.out_features, self.in_features)
        return NF4(self.packed, self.scales, self.scale_of_scales, self.offset, shape)

    @property
    def weight(self) -> Tensor:
        """The weight that it computes with, fp32 [out, in]: made anew at every call."""
        return dequantise(self.quantised)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        y: Tensor = _Linear.apply(x, self.quantised, bias)
        return y


class _Linear(torch.autograd.Function):
    """x Wᵀ + b whose backward pass makes W again, instead of keeping it from the forward pass: four bits stay four bits."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, quantised: NF4, bias: Tensor | None) -> Tensor:
        ctx.quantised = quantised
        return F.linear(x, dequantiser(x.device.type)(quantised, x.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0] @ dequantiser(grads[0].device.type)(ctx.quantised, grads[0].dtype), None, None


def quantise_blocks(model: Transformer) -> None:
    """Put every linear layer of the blocks into four bits; embedding, head, norms and routers stay as they are (QLoRA)."""
    for module in list(model.model.layers.modules()):
        for name, child in list(module.named_children()):
            if name in LINEAR and isinstance(child, Linear):
                setattr(module, name, NF4Linear(child))


def keep_frozen_in(model: Transformer, dtype: torch.dtype) -> None:
    """Keep what is not trained in `dtype`: with the dtype of the products they are the same numbers, without a cast each time."""
    quantised = {id(p) for module in model.modules() if isinstance(module, NF4Linear) for p in module.parameters()}
    for parameter in model.parameters():
        if not parameter.requires_grad and id(parameter) not in quantised:
            parameter.data = parameter.data.to(dtype)


@lru_cache(maxsize=2)
def dequantiser(device: str) -> Callable[[NF4, torch.dtype], Tensor]:
    """On CUDA the kernel of bitsandbytes, where it is installed; else `nf4.dequantise`, which gives the same numbers."""
    there = device == "cuda" and importlib.util.find_spec("bitsandbytes") is not None
    return by_bitsandbytes if there else dequantise


def by_bitsandbytes(q: NF4, dtype: torch.dtype) -> Tensor:
    """`nf4.dequantise` in one kernel for the weight and one for its scales."""
    from bitsandbytes.functional import QuantState, dequantize_4bit

    device = q.packed.device
    scales = QuantState(q.scale_of_scales, code=dynamic_codebook(device), blocksize=SCALE_BLOCK, dtype=torch.float32)
    state = QuantState(
        q.scales, torch.Size(q.shape), codebook(device), BLOCK, "nf4", dtype, offset=q.offset, state2=scales
    )
    weight: Tensor = dequantize_4bit(q.packed[:, None], state)
    return weight
