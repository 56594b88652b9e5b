"""Log-probabilities of a reference, computed once and kept beside the prepared data.

The reference of preference learning is the model as it was before the first step, so nothing but these numbers is needed of it:
no second model stays in memory, and no second forward pass is made at every step.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fledge.data.batches import TokenBatch
from fledge.data.pairs import AnswerBatch, AnswerBatches, places
from fledge.model.transformer import Transformer
from fledge.training.resume import digest

LogProbs = Callable[[TokenBatch, Tensor, int], Tensor]
"""(rows, of every target its answer's number, how many answers) -> log p of every answer."""


def reference_logps(model: Transformer, rows: AnswerBatches, logps_of: LogProbs, say: Callable[[], None]) -> Tensor:
    """log p of every answer of the rows' dataset as `model` sees it now, fp32 [1 or 2, n] on its device.

    The second line is that of the mismatched answers, where the rows have such. What no row holds has 0. They are computed once
    for a model, data and the lengths that answers are cut to, in the precision of the training; `say` is called before.
    """
    lines = 1 if rows.others is None else 2
    path = rows.dataset.folder / f"reference-{_key(model, rows)}.npy"
    found = _read(path, (lines, len(rows.dataset)))
    if found is None:
        say()
        found = _computed(rows, logps_of, lines)
        _write(path, found)
    return torch.from_numpy(found).to(model.device)


@torch.no_grad()
def _computed(rows: AnswerBatches, logps_of: LogProbs, lines: int) -> np.ndarray:
    found = np.zeros((lines, len(rows.dataset)), np.float32)
    batch: AnswerBatch
    for batch in rows.in_order():
        count = len(batch.answers_N)
        found[0, batch.answers_N] = logps_of(batch.tokens, batch.places_M(), count).cpu()
        if batch.mismatched is not None:
            others_M = places(batch.mismatched, batch.per_row_B)
            found[1, batch.answers_N] = logps_of(batch.mismatched, others_M, count).cpu()
    return found


def _key(model: Transformer, rows: AnswerBatches) -> str:
    precision = str(model.compute_dtype).removeprefix("torch.")
    facts = [digest(dict(model.named_parameters())), rows.dataset.fingerprint, precision]
    facts.append(hashlib.sha256(rows.lengths.tobytes()).hexdigest())
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The kept numbers; None when there are none, or the file is damaged."""
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float32 and np.isfinite(found).all() else None


def _write(path: Path, found: np.ndarray) -> None:
    """Written beside its place and renamed: a reader never sees half a file."""
    number, partial = tempfile.mkstemp(prefix=f".{path.stem}-", dir=path.parent)
    with os.fdopen(number, "wb") as file:
        np.save(file, found)
    os.replace(partial, path)
