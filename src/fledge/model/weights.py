"""The tensors of a model folder, each read from its file when it is asked for: memory holds the model, and never its files too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from torch import Tensor

from fledge.adapt.format import is_adapter, own_base
from fledge.adapt.merging import merged_weights
from fledge.errors import UserError
from fledge.lang import _
from fledge.model.config import read_object

INDEX = "model.safetensors.index.json"  # of a model in several files: {"weight_map": {tensor: file}}
Kept = TypeVar("Kept")


class Weights(Mapping[str, Tensor]):
    """The tensors of a folder's safetensors file, or of its shards, by the model's own names. UserError where one is missing."""

    def __init__(self, folder: Path):
        found: dict[str, tuple[Path, str]] = {}
        for file in _files(folder):
            try:
                with safe_open(file, "pt") as tensors:
                    found |= {name: (file, name) for name in tensors.keys()}  # noqa: SIM118 (it is no dict)
            except (SafetensorError, OSError, ValueError) as error:
                raise _damaged(file, error) from None
        self.places = unwrapped(found)

    def __getitem__(self, name: str) -> Tensor:
        """A view of the file, which stays open as long as the tensor lives: copy what is to be kept."""
        file, stored = self.places[name]
        try:
            with safe_open(
                file, "pt"
            ) as tensors:  # anew for each: what one mapping has read is counted as memory until it closes
                return tensors.get_tensor(stored)
        except (SafetensorError, OSError, ValueError) as error:
            raise _damaged(file, error) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


def read_weights(folder: Path) -> Mapping[str, Tensor]:
    """The tensors of a model folder; of an adapter's those of its base with its own merged in."""
    if is_adapter(folder):
        return merged_weights(read_weights(own_base(folder)), folder)
    return Weights(folder)


def _files(folder: Path) -> list[Path]:
    """The safetensors files of a folder: those that its index names, or all."""
    if (folder / INDEX).is_file():
        listed = read_object(folder / INDEX).get("weight_map")
        if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
            raise UserError(
                _("{path} does not say which tensor is in which file; copy the model folder again.").format(
                    path=folder / INDEX
                )
            )
        names = sorted(set(listed.values()))
    else:
        names = sorted(path.name for path in folder.glob("*.safetensors"))
        if names and (counted := re.fullmatch(r"(.*)-\d{5}-of-(\d{5})\.safetensors", names[0])):
            stem, count = counted[1], int(counted[2])
            names = [f"{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]
    if not names:
        hint = (
            _(" (only pickled .bin files are there; convert them to safetensors first)")
            if list(folder.glob("*.bin"))
            else ""
        )
        raise UserError(_("{folder} has no .safetensors file{hint}.").format(folder=folder, hint=hint))
    for name in names:
        if not (folder / name).is_file():
            raise UserError(
                _(
                    "{folder} holds a model in {count} files, and '{name}' is missing: download or copy it again."
                ).format(folder=folder, count=len(names), name=name)
            )
    return [folder / name for name in names]


def unwrapped(tensors: dict[str, Kept]) -> dict[str, Kept]:
    """The same by the model's own names: torch.compile writes `_orig_mod.` into them, data parallel training `module.`."""
    own = {}
    for name, tensor in tensors.items():
        name = name.replace("_orig_mod.", "")
        while name.startswith("module."):
            name = name.removeprefix("module.")
        own[name] = tensor
    return own if len(own) == len(tensors) else tensors


def _damaged(file: Path, error: Exception) -> UserError:
    return UserError(
        _("{file} is damaged or incomplete ({error}); copy or train it again.").format(file=file, error=error)
    )
