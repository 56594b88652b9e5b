"""Checkpoints: everything a run needs to go on, written beside, synced and renamed, so that a kill leaves the last one whole.

checkpoints/step-N/state.safetensors   model.*  optimizer.*  rng.*
                   state.json          step, tokens, seconds, data cursor, …  and the sha256 of the tensors
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fledge.data.shards import file_sha256
from fledge.errors import UserError
from fledge.lang import _


def save_checkpoint(
    folder: Path, step: int, tensors: dict[str, Tensor], state: dict[str, Any], keep: int, again: str
) -> Path:
    """Write `folder/step-N` atomically and drop all but the newest `keep`. When the disk is full: UserError, which says to go
    on with the command `again`, and the checkpoints that were there stay."""
    final, beside = folder / f"step-{step}", folder / f".step-{step}.tmp"
    for left_over in folder.glob(".step-*"):  # by a process that was killed while it wrote
        shutil.rmtree(left_over, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        _write(beside, tensors, state)
        if final.exists():  # the same step again: out of the way first, because a folder cannot replace a folder
            os.replace(final, folder / f".step-{step}.old")
        os.replace(beside, final)
        _sync(folder)
    except (OSError, SafetensorError) as error:  # safetensors reports a full disk in words of its own
        shutil.rmtree(beside, ignore_errors=True)
        kept = _("there is none before it")
        if steps := _steps(folder):
            kept = _("the last whole one is step {step}").format(step=steps[0])
        raise UserError(
            _(
                "the checkpoint of step {step} could not be written to '{folder}' ({error}): {kept}; "
                "make room there and go on with {again}."
            ).format(step=step, folder=folder, error=error, kept=kept, again=again)
        ) from error
    shutil.rmtree(folder / f".step-{step}.old", ignore_errors=True)
    for old in _steps(folder)[keep:]:
        shutil.rmtree(folder / f"step-{old}", ignore_errors=True)
    return final


def _write(folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    path = folder / "state.safetensors"
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
    (folder / "state.json").write_text(json.dumps(state | {"sha256": file_sha256(path)}), encoding="utf-8")
    for file in (*folder.iterdir(), folder):
        _sync(file)


def _sync(path: Path) -> None:
    """To the disk now, so that a power cut cannot leave a new name on old contents. Windows syncs no folders."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """(tensors, state) of the newest whole checkpoint; a damaged one is passed over with a sentence. None: there is none."""
    for step in _steps(folder):
        path = folder / f"step-{step}"
        with contextlib.suppress(OSError, ValueError, KeyError):
            state = json.loads((path / "state.json").read_text(encoding="utf-8"))
            if state["sha256"] == file_sha256(path / "state.safetensors"):
                return load_file(path / "state.safetensors"), state
        print(_("checkpoint {path} is damaged; trying the one before it").format(path=path.name))
    return None


def _steps(folder: Path) -> list[int]:
    names = [path.name.removeprefix("step-") for path in folder.glob("step-*")]
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)


def random_state() -> dict[str, Tensor]:
    """The generators of torch (CPU and CUDA), numpy and Python, as tensors."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    assert kind == "MT19937"
    _, words, next_gauss = random.getstate()
    state = {
        "rng.torch": torch.get_rng_state(),
        "rng.numpy": torch.from_numpy(np.array(keys).astype(np.int64)),
        "rng.numpy_rest": torch.tensor([position, has_gauss, gauss], dtype=torch.float64),
        "rng.python": torch.tensor(words),
        "rng.python_gauss": torch.tensor([] if next_gauss is None else [next_gauss], dtype=torch.float64),
    }
    if torch.cuda.is_available():
        state |= {f"rng.cuda.{i}": rng for i, rng in enumerate(torch.cuda.get_rng_state_all())}
    return state


def set_random_state(tensors: dict[str, Tensor]) -> None:
    """Put back what `random_state` returned; a GPU that is not here is left out."""
    torch.set_rng_state(tensors["rng.torch"])
    position, has_gauss, gauss = tensors["rng.numpy_rest"].tolist()
    keys = tensors["rng.numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(position), int(has_gauss), gauss))
    next_gauss = tensors["rng.python_gauss"].tolist()
    random.setstate((3, tuple(tensors["rng.python"].tolist()), next_gauss[0] if next_gauss else None))
    for i in range(torch.cuda.device_count()):
        if (rng := tensors.get(f"rng.cuda.{i}")) is not None:
            torch.cuda.set_rng_state(rng, i)
