"""What an adapter amounts to: plain weights."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from fledge.adapt.format import LINEAR, read_config, read_tensors
from fledge.adapt.nf4 import dequantise, quantise
from fledge.errors import UserError
from fledge.lang import _


def updated(weight: Tensor, A: Tensor, B: Tensor, scaling: float, magnitude: Tensor | None) -> Tensor:
    """LoRA: W + scaling · B A (Hu et al., 2021, arXiv:2106.09685). DoRA: its rows made as long as `magnitude` says (Liu et al.,
    2024, arXiv:2402.09353). fp32 [out, in]; A [r, in], B [out, r], magnitude [out]."""
    merged = weight.float().addmm(B.float(), A.float(), alpha=scaling)
    return merged if magnitude is None else merged * (magnitude.float() / merged.norm(dim=1))[:, None]


def merged_weights(weights: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """A model's weights by name with the adapter in `folder` merged in: fp32 where it changes them.

    An adapter that was trained on a base in four bits belongs to those: its base goes through four bits first.
    """
    config, layers = read_config(folder), read_tensors(folder)
    merged = dict(weights)
    if config.base_quantization == "nf4":
        merged |= {name: dequantise(quantise(w)) for name, w in weights.items() if is_block_linear(name)}
    for layer, parts in layers.items():
        name = f"{layer}.weight"
        shape = tuple(merged[name].shape) if name in merged else None
        refuse_shape(folder, layer, shape, parts["lora_A.weight"], parts["lora_B.weight"])
        merged[name] = updated(
            merged[name],
            parts["lora_A.weight"],
            parts["lora_B.weight"],
            config.scaling,
            parts.get("lora_magnitude_vector"),
        )
    return merged


def is_block_linear(name: str) -> bool:
    """Whether a tensor is the weight of a linear layer that adapters and four bits are for."""
    return name.endswith(".weight") and name.split(".")[-2] in LINEAR


def refuse_shape(folder: Path, layer: str, shape: tuple[int, ...] | None, A: Tensor, B: Tensor) -> None:
    """UserError when an adapter's layer has no place in the model, or was made for a wider or narrower one."""
    if shape is None:
        raise UserError(
            _("the adapter in '{folder}' belongs to another model: this one has no layer '{layer}'.").format(
                folder=folder.as_posix(), layer=layer
            )
        )
    if (B.shape[0], A.shape[1]) != tuple(shape) or A.shape[0] != B.shape[1]:
        theirs, ours = f"{B.shape[0]}×{A.shape[1]}", "×".join(map(str, shape))
        raise UserError(
            _(
                "the adapter in '{folder}' belongs to another model: its '{layer}' has {theirs} weights, ours {ours}."
            ).format(folder=folder.as_posix(), layer=layer, theirs=theirs, ours=ours)
        )
