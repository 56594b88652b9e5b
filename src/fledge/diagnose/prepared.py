"""The prepared data of a run, when the cache still has them: exactly the rows that it trained on, or was validated on."""

from __future__ import annotations

from typing import Literal

from fledge.data.dataset import Dataset
from fledge.errors import UserError
from fledge.records import Run, cache_root


def prepared(run: Run, which: Literal["train", "val"]) -> Dataset | None:
    """The data by their fingerprint, as a split of a file too; None when the cache has them no longer."""
    noted = (run.info.get("data") or {}).get(which) or {}
    if not noted.get("key"):
        return None
    try:
        dataset = Dataset.open(cache_root() / "data" / noted["key"][:16])
        if dataset.manifest.get("key") != noted["key"]:
            return None
        if dataset.fingerprint == noted.get("fingerprint"):
            return dataset
        train, val = dataset.split(run.info["config"]["val_fraction"])
        part = train if which == "train" else val
        return part if part.fingerprint == noted.get("fingerprint") else None
    except (UserError, OSError, ValueError, KeyError):
        return None
