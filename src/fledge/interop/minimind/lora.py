"""MiniMind's LoRA files: out/lora/lora_identity_512.pth (v2.5) and out/lora_identity_768.pth (v3).

    {layer}.lora.A.weight [rank, in], {layer}.lora.B.weight [out, rank], fp16; the layer adds B A x

MiniMind puts its LoRA on square matrices alone, which are q_proj and o_proj, so that is what its script trains here: the file then
loads there too, and alpha is its rank, since its updates count once. `fledge train lora` takes all linear layers of the blocks.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fledge.adapt.lora import adapted_layers
from fledge.errors import UserError
from fledge.interop.minimind.files import Place, weight_name
from fledge.interop.minimind.pth import read_tensors, write_tensors
from fledge.jobs.lora import NAME
from fledge.lang import _, commas
from fledge.model.transformer import Transformer


def write_lora(model: Transformer, path: Path) -> None:
    """The adapter that is trained on `model`, as MiniMind saves its own."""
    tensors = {}
    for layer, module in adapted_layers(model):
        adapter = module.adapters[NAME]
        for part in ("A", "B"):
            tensors[f"{layer}.lora.{part}.weight"] = getattr(adapter, f"lora_{part}").detach().half().cpu()
    write_tensors(tensors, path)


def find_lora(place: Place, folder: Path, name: str, hidden_size: int, use_moe: int) -> Path:
    """The file of LoRA weights of that name, where v2.5 puts it or where v3 does; UserError that lists what is there."""
    file = f"{weight_name(name, hidden_size, use_moe)}.pth"
    places = [folder / "lora", folder]
    for path in places:
        if (path / file).is_file():
            return path / file
    there = [path.name for path in sorted(places[0].glob("*.pth"))]
    what = _("there are {there}").format(there=commas(there)) if there else _("there are none at all")
    raise UserError(
        _("there are no LoRA weights {path} ({what}): train them with train_lora.py, or check --lora_weight.").format(
            path=place.shown(places[0] / file), what=what
        )
    )


@torch.no_grad()
def merge_lora(model: Transformer, path: Path) -> None:
    """Add the updates in `path` to the weights of `model`. UserError when they are for another model."""
    tensors = read_tensors(path)
    layers = sorted({name.partition(".lora.")[0] for name in tensors})
    for layer in layers:
        A, B = (tensors.get(f"{layer}.lora.{part}.weight") for part in ("A", "B"))
        weight = _weight(model, layer)
        if A is None or B is None or weight is None or (B.shape[0], A.shape[1]) != tuple(weight.shape):
            raise UserError(
                _(
                    "{path} is not for this model: its layer '{layer}' does not fit; take the --weight it was trained on."
                ).format(path=path, layer=layer)
            )
        weight += B.to(weight) @ A.to(weight)


def _weight(model: Transformer, layer: str) -> Tensor | None:
    return dict(model.named_parameters()).get(f"{layer}.weight")
