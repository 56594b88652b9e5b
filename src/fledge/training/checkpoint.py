"""Checkpoints: everything a run needs to go on, written beside, synced and renamed, so that a kill leaves the last one whole.

checkpoints/step-N/state.safetensors   model.*  optimizer.*  rng
                   state.json          step, tokens, seconds, data cursor, …  and the sha256 of the tensors
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from fledge.data.shards import file_sha256
from fledge.errors import UserError


def save_checkpoint(folder: Path, step: int, tensors: dict[str, Tensor], state: dict[str, Any], keep: int = 1) -> Path:
    """Write `folder/step-N` atomically and drop all but the newest `keep`."""
    final = folder / f"step-{step}"
    beside = folder / f".step-{step}.{os.getpid()}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, beside / "state.safetensors"
    )
    text = json.dumps(state | {"sha256": file_sha256(beside / "state.safetensors")})
    (beside / "state.json").write_text(text, encoding="utf-8")
    for file in beside.iterdir():
        with file.open("rb+") as handle:
            os.fsync(handle.fileno())
    shutil.rmtree(final, ignore_errors=True)
    os.replace(beside, final)
    for old in _steps(folder)[keep:]:
        shutil.rmtree(folder / f"step-{old}", ignore_errors=True)
    return final


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return (tensors, state) of the newest whole checkpoint; a damaged one is passed over. UserError when none is left."""
    for step in _steps(folder):
        path = folder / f"step-{step}"
        try:
            state = json.loads((path / "state.json").read_text(encoding="utf-8"))
            if state["sha256"] == file_sha256(path / "state.safetensors"):
                return load_file(path / "state.safetensors"), state
        except (OSError, ValueError, KeyError):
            pass
        print(f"checkpoint {path.name} is damaged; trying the one before it")
    raise UserError(f"there is no whole checkpoint in {folder}: start the run again without --resume.")


def _steps(folder: Path) -> list[int]:
    names = [path.name.removeprefix("step-") for path in folder.glob("step-*")]
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)
