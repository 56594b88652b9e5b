"""What an adapter amounts to: plain weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


class Merged(Mapping[str, Tensor]):
    """A model's weights by name with an adapter merged in, each when it is asked for: fp32 where the adapter changes it."""

    def __init__(self, weights: Mapping[str, Tensor], folder: Path):
        self.weights, self.folder = weights, folder
        self.config, self.layers = read_config(folder), read_tensors(folder)

    def __getitem__(self, name: str) -> Tensor:
        weight, layer = self.weights[name], name.removesuffix(".weight")
        if self.config.base_quantization == "nf4" and is_block_linear(name):
            weight = dequantise(quantise(weight))  # it belongs to a base in four bits
        if (parts := self.layers.get(layer)) is None:
            return weight
        A, B = parts["lora_A.weight"], parts["lora_B.weight"]
        refuse_shape(self.folder, layer, tuple(weight.shape), A, B)
        return updated(weight, A, B, self.config.scaling, parts.get("lora_magnitude_vector"))

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def merged_weights(weights: Mapping[str, Tensor], folder: Path) -> Merged:
    """A model's weights with the adapter in `folder` merged in; UserError when it has layers that the model has not.

    An adapter that was trained on a base in four bits belongs to those: its base goes through four bits first.
    """
    merged = Merged(weights, folder)
    for layer, parts in merged.layers.items():
        if f"{layer}.weight" not in weights:
            refuse_shape(folder, layer, None, parts["lora_A.weight"], parts["lora_B.weight"])
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
