"""What a user may name as a model: a run, a model folder, a file of another program, what `fledge get` fetched, or a Hugging
Face hub id."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

from fledge.errors import UserError, resume_command
from fledge.lang import _
from fledge.records import Run, cache_root, status_word

FORMATS = "fledge.interop"  # whose table FORMATS says which files can become a model folder; the engine imports no door
ADAPTER = "adapter_config.json"  # instead of config.json: an adapter, whose files name its base (fledge.adapt.format)


def fetched_folder(name: str) -> Path:
    """Where `fledge get NAME` leaves a model."""
    return cache_root() / "models" / name


def is_model(folder: Path) -> bool:
    """Whether it is the folder of a model, or of an adapter to one."""
    return (folder / "config.json").is_file() or (folder / ADAPTER).is_file()


def find_model(source: str | Path) -> Path:
    """The folder with config.json, or of an adapter, that `source` means."""
    if not str(source):
        raise UserError(_("no model was named: give a run or a model folder (`fledge runs list` shows the runs)."))
    path = Path(source)
    if make := _converter(path):
        return make(path)
    if is_model(path):
        return path
    if is_model(path / "model"):
        return path / "model"
    if path.is_dir() and not (path / "run.json").is_file():
        raise UserError(_("{source} has no config.json, so it is not a model folder.").format(source=source))
    if path.suffix == ".gguf" and path.is_file():
        raise UserError(
            _("'{source}' is a GGUF: make a model folder of it with `fledge import gguf {source}`.").format(
                source=source
            )
        )
    if path.is_file():
        raise UserError(
            _("'{source}' is a file, and a model is a folder with config.json: name the folder, or a run.").format(
                source=source
            )
        )
    try:
        run = Run.open(source)
    except UserError:
        if (fetched_folder(str(source)) / "config.json").is_file():
            return fetched_folder(str(source))
        if re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)) and not path.exists():
            return _from_hub(str(source))
        raise
    if not is_model(run.model_dir):
        status, command = status_word(run.status()), resume_command(run.info["job"], run.name)
        raise UserError(
            _("run '{run}' has no model yet (its status is {status}): finish it with `{command}`.").format(
                run=run.name, status=status, command=command
            )
        )
    return run.model_dir


def _converter(path: Path) -> Callable[[Path], Path] | None:
    """What makes a model folder of a file of this suffix, or of one that the name was meant for: it names nothing, and such
    files lie in its folder."""
    formats: dict[str, str] = importlib.import_module(FORMATS).FORMATS
    astray = path.parent != Path() and not path.exists()
    for suffix, name in formats.items():
        if path.suffix == suffix or (astray and any(path.parent.glob(f"*{suffix}"))):
            module, _, function = name.partition(":")
            return getattr(importlib.import_module(module), function)
    return None


def _from_hub(name: str) -> Path:
    """The folder of a model of the Hugging Face hub, or of the mirror of it that HF_ENDPOINT names, in that client's own cache."""
    from huggingface_hub import constants, errors, snapshot_download

    hub = constants.ENDPOINT
    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.jinja"]))
    except errors.GatedRepoError:
        raise UserError(
            _(
                "'{name}' is given only to those who agreed to its licence: agree at {hub}/{name}, then `hf auth login`."
            ).format(name=name, hub=hub)
        ) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise UserError(
            _(
                "'{name}' is no run and no folder here, and {hub} has no such model (or it is private: `hf auth login`)."
            ).format(name=name, hub=hub)
        ) from None
    except Exception as error:  # the hub's client raises many kinds
        kind = type(error.__cause__ or error).__name__
        raise UserError(
            _(
                "'{name}' is no run and no folder here, and {hub} did not give it ({kind}): "
                "check the connection, or name a mirror with HF_ENDPOINT."
            ).format(name=name, hub=hub, kind=kind)
        ) from None
