"""What a user may name as a model: a run, a model folder, a MiniMind .pth, or a Hugging Face hub id."""

from __future__ import annotations

import re
from pathlib import Path

from fledge.errors import UserError
from fledge.records import Run


def find_model(source: str | Path) -> Path:
    """The folder with config.json that `source` means."""
    if not str(source):
        raise UserError("no model was named: give a run or a model folder (`fledge runs list` shows the runs).")
    path = Path(source)
    if path.suffix == ".pth" or _beside_pth(path):
        from fledge.model.minimind import pth_folder

        return pth_folder(path)
    if (path / "config.json").is_file():
        return path
    if (path / "model" / "config.json").is_file():
        return path / "model"
    if path.is_dir() and not (path / "run.json").is_file():
        raise UserError(f"{source} has no config.json, so it is not a model folder.")
    if path.is_file():
        raise UserError(f"'{source}' is a file, and a model is a folder with config.json: name the folder, or a run.")
    try:
        run = Run.open(source)
    except UserError:
        if re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)) and not path.exists():
            return _from_hub(str(source))
        raise
    if not (run.model_dir / "config.json").is_file():
        raise UserError(
            f"run '{run.name}' has no model yet (its status is {run.info.get('status')}): finish it with --resume."
        )
    return run.model_dir


def _beside_pth(path: Path) -> bool:
    """Whether a name that means nothing was meant for one of the .pth files in its folder."""
    return path.parent != Path() and not path.exists() and any(path.parent.glob("*.pth"))


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.jinja"]))
    except Exception as error:  # the hub's client raises many kinds
        raise UserError(
            f"'{name}' is no run and no folder here, and the Hugging Face hub did not give it ({type(error).__name__}): "
            "check the name and the connection."
        ) from None
