"""What the run's own model says of its data: the loss of the next token, measured anew, and of the tokens beside it.

A recorded loss is what the training program claims. Here the model is run on plain rows, without that program's batches and
targets: in a sound run both are the same number at every length, rate and size of the data. Where they are not, the loss of
the neighbours says which token was learnt instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fledge.data.dataset import Dataset
from fledge.data.packing import stretches
from fledge.errors import UserError
from fledge.records import Run

if TYPE_CHECKING:  # torch is loaded when there is something to measure
    from fledge.model.transformer import Transformer

SHIFTS = (-3, -2, -1, 0, 1, 2)  # places from the next token: -1 is the input itself, 1 the token after the next
TOKENS = 4096  # that are read: some seconds with 100M parameters on two cores
MOST_PARAMETERS = 300e6  # of a model that is loaded only to be asked
LEAST_TARGETS = 64  # of fewer the error of a mean is itself a guess
BLOCKS = 16  # that the targets are cut into, in their order: the means of neighbouring rows are not independent
CHUNK = 256  # positions whose logits exist at a time
ROWS = 16  # that are run together


@dataclass(frozen=True)
class Measured:
    """A mean and its standard error."""

    mean: float
    error: float

    @property
    def sigmas(self) -> float:
        """The distance from 0; of a mean that does not vary at all, 0."""
        return self.mean / self.error if self.error > 0 else 0.0


@dataclass(frozen=True)
class Scored:
    """What a model makes of a text, by the shift of the token that is asked for.

    Attributes:
        loss: -log p of that token, nats. links: by how many nats it is likelier here than at the other positions of the
            text: 0 when the prediction does not depend on what was read, or has nothing to do with that token.
        causal: whether what comes later leaves the predictions before it as they are.
    """

    targets: int
    loss: dict[int, Measured]
    links: dict[int, Measured]
    causal: bool


def score(model: Transformer, dataset: Dataset, seq_len: int) -> Scored | None:
    """Run the model on windows of the data, as validation cuts them; None when they hold too few targets, or other tokens."""
    import torch

    rows = list(_rows(dataset, seq_len))
    if sum(map(len, (row.labels for row in rows))) < LEAST_TARGETS:
        return None
    if max(max(row.ids.max(), row.labels.max(initial=0)) for row in rows) >= model.config.vocab_size:
        return None
    with torch.no_grad():
        hidden_ND = torch.cat(_hidden(model, rows))
        labels_NS = torch.from_numpy(np.concatenate([row.labels for row in rows]))
        log_p_NS, usual_V = _log_p(model, hidden_ND, labels_NS)
        causal = _causal(model, max(rows, key=lambda row: len(row.ids)))
    there = (labels_NS >= 0).numpy()
    usual_NS = usual_V[labels_NS.clamp(min=0)]
    loss = {s: _measured(-log_p_NS[:, i][there[:, i]]) for i, s in enumerate(SHIFTS)}
    links = {s: _measured((log_p_NS - usual_NS)[:, i][there[:, i]]) for i, s in enumerate(SHIFTS)}
    return Scored(len(labels_NS), loss, links, causal)


@dataclass(frozen=True)
class _Row:
    ids: np.ndarray  # [n], what is read
    keep: np.ndarray  # bool [n], where a target follows
    labels: np.ndarray  # [targets, shifts]; -1 outside of the text


def _rows(dataset: Dataset, seq_len: int) -> Iterator[_Row]:
    """Some TOKENS of the windows that validation reads, drawn evenly, in their order."""
    table = stretches(dataset.ends - dataset.starts - 1, seq_len, cut=True)
    order = np.random.default_rng(0).permutation(len(table))
    few = int(np.searchsorted(np.cumsum(table[order, 2]), TOKENS)) + 1
    for document, begin, size in table[np.sort(order[:few])].tolist():
        first, last = int(dataset.starts[document]), int(dataset.ends[document])
        at = np.arange(first + begin + 1, first + begin + size + 1)  # places of the tokens to predict
        keep = np.ones(size, bool) if dataset.mask is None else np.array(dataset.mask[at])
        around = at[keep, None] + np.array(SHIFTS)
        inside = (around >= first) & (around < last)
        labels = np.where(inside, dataset.tokens[np.where(inside, around, first)].astype(np.int64), -1)
        yield _Row(np.asarray(dataset.tokens[at - 1]).astype(np.int64), keep, labels)


def _hidden(model: Transformer, rows: list[_Row]) -> list[Any]:
    """The hidden states [targets, D] of every row. Rows of like length go together; what fills them up comes last, where no
    causal model looks."""
    import torch

    found: dict[int, Any] = {}
    by_length = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    for begin in range(0, len(rows), ROWS):
        these = by_length[begin : begin + ROWS]
        ids_BT = torch.zeros((len(these), len(rows[these[-1]].ids)), dtype=torch.int64)
        for place, i in enumerate(these):
            ids_BT[place, : len(rows[i].ids)] = torch.from_numpy(rows[i].ids)
        hidden_BTD = model.hidden(ids_BT)
        for place, i in enumerate(these):
            found[i] = hidden_BTD[place, : len(rows[i].ids)][torch.from_numpy(rows[i].keep)]
    return [found[i] for i in range(len(rows))]


def _causal(model: Transformer, row: _Row) -> bool:
    """Whether what stands in the second half of a row leaves the first half as it is."""
    import torch

    half = max(1, len(row.ids) // 2)
    other = row.ids.copy()
    other[half:] = row.ids[:1]
    one, two = (model.hidden(torch.from_numpy(ids)[None])[0, :half] for ids in (row.ids, other))
    return bool((one - two).norm() < 0.01 * one.norm())  # rounding is a thousand times less


def _log_p(model: Transformer, hidden_ND: Any, labels_NS: Any) -> tuple[Any, Any]:
    """log p of every label, [N, S], and the mean log p of every token over all positions, [V]."""
    import torch

    total_V, found = torch.zeros(model.config.vocab_size, dtype=torch.float64), []
    for part_ND, part_NS in zip(hidden_ND.split(CHUNK), labels_NS.split(CHUNK)):
        log_p_NV = model.head(part_ND).float().log_softmax(-1).double()
        total_V += log_p_NV.sum(0)
        found.append(log_p_NV.gather(1, part_NS.clamp(min=0)))
    return torch.cat(found), total_V / len(hidden_ND)


def _measured(values_N: Any) -> Measured:
    """The mean, and its error from the means of blocks."""
    values = values_N.numpy()
    if len(values) < BLOCKS:
        return Measured(math.nan, math.inf)
    means = [block.mean() for block in np.array_split(values, BLOCKS)]
    return Measured(float(values.mean()), float(np.std(means, ddof=1) / math.sqrt(BLOCKS)))


def load_end(run: Run) -> tuple[Transformer, int] | None:
    """The run's model and its step: the finished one, else that of the newest checkpoint; None when there is neither, or
    it is too large to be loaded for this."""
    parameters = ((run.info.get("model") or {}).get("num_parameters") or {}).get("total", math.inf)
    if parameters > MOST_PARAMETERS:
        return None
    from fledge.device import set_threads
    from fledge.model.folder import load_model

    set_threads()
    try:
        if run.info.get("status") == "done":
            return load_model(run.model_dir), int(run.info["results"]["step"])
        return _load_checkpoint(run)
    except (UserError, OSError, ValueError, KeyError, RuntimeError):
        return None


def _load_checkpoint(run: Run) -> tuple[Transformer, int] | None:
    from fledge.model.config import ModelConfig
    from fledge.model.transformer import Transformer
    from fledge.training.checkpoint import load_checkpoint

    if not any(run.checkpoints_dir.glob("step-*")) or (found := load_checkpoint(run.checkpoints_dir)) is None:
        return None
    tensors, state = found
    model = Transformer(ModelConfig.from_dict(run.info["model"]))
    weights = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    missing, unknown = model.load_state_dict(weights, strict=False)
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    return None if unknown or set(missing) - tied else (model.eval(), int(state["step"]))


def load_base(run: Run) -> Transformer | None:
    """The model that the run started from, if it still lies there as it was before the run."""
    from datetime import datetime

    from fledge.model.folder import load_model
    from fledge.model.source import find_model

    try:
        folder = find_model(run.info["config"]["model"])
        written = max(file.stat().st_mtime for file in folder.glob("*.safetensors"))
        if written > datetime.fromisoformat(run.info["started"]).timestamp() + 1:  # `started` has whole seconds
            return None
        return load_model(folder)
    except (UserError, OSError, ValueError, KeyError, RuntimeError):
        return None
