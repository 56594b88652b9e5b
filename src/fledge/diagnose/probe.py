"""What the run's own model says of its data: the loss of the next token, measured anew, and of the tokens beside it.

A recorded loss is what the training program claims. Here the model is run on plain rows, without that program's batches and
targets: in a sound run both are the same number at every length, rate and size of the data. Where they are not, the loss of
the neighbours says which token was learnt instead.
"""

from __future__ import annotations

import contextlib
import io
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
MOST_TOKENS = 32_768  # that are read
WORK = 4e11  # parameters times tokens: some seconds on two cores
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


@dataclass(frozen=True)
class Scored:
    """What a model makes of a text.

    Attributes:
        loss: shift -> -log p of the token there, nats.
        belief: by how many nats its predictions vary with what it read: what it believes to know.
        lead: how far it knows the next token better than any other near it (but the input itself): by how many nats that
            token is likelier at its own place than elsewhere, less the same of the best other. Of a model that learns the
            next token it is a good part of its belief, however little that is.
        causal: whether what comes later leaves the predictions before it as they are.
    """

    targets: int
    loss: dict[int, Measured]
    belief: float
    lead: Measured
    causal: bool


def score(model: Transformer, dataset: Dataset, seq_len: int) -> Scored | None:
    """Run the model on windows of the data, as validation cuts them; None when they hold too few targets, or other tokens."""
    import torch

    parameters = model.config.num_parameters()["active"]
    rows = list(_rows(dataset, seq_len, min(MOST_TOKENS, int(WORK / parameters))))
    targets = sum(int((row.labels[:, SHIFTS.index(0)] >= 0).sum()) for row in rows)
    if targets < LEAST_TARGETS:
        return None
    if max(max(row.ids.max(), row.labels.max(initial=0)) for row in rows) >= model.config.vocab_size:
        return None
    with torch.no_grad():
        hidden_ND = torch.cat(_hidden(model, rows))
        labels_NS = torch.from_numpy(np.concatenate([row.labels for row in rows]))
        log_p_NS, usual_V, belief = _log_p(model, hidden_ND, labels_NS)
        causal = _causal(model, max(rows, key=lambda row: len(row.ids)))
    there_NS = labels_NS >= 0
    loss = {s: _measured(-log_p_NS[:, i][there_NS[:, i]]) for i, s in enumerate(SHIFTS)}
    likelier_NS = (log_p_NS - usual_V[labels_NS.clamp(min=0)]) * there_NS
    means_S = likelier_NS.sum(0) / there_NS.sum(0).clamp(min=1)
    best = max((i for i, s in enumerate(SHIFTS) if s not in (0, -1)), key=lambda i: float(means_S[i]))
    here = SHIFTS.index(0)
    lead = _measured((likelier_NS[:, here] - likelier_NS[:, best])[there_NS[:, here] & there_NS[:, best]])
    return Scored(targets, loss, belief, lead, causal)


@dataclass(frozen=True)
class _Row:
    ids: np.ndarray  # [n], what is read
    keep: np.ndarray  # bool [n], where a target is near
    labels: np.ndarray  # [kept, shifts]; -1: no target there


def _rows(dataset: Dataset, seq_len: int, tokens: int) -> Iterator[_Row]:
    """Some `tokens` of the windows that validation reads, drawn evenly, in their order."""
    table = stretches(dataset.ends - dataset.starts - 1, seq_len, cut=True)
    order = np.random.default_rng(0).permutation(len(table))
    few = int(np.searchsorted(np.cumsum(table[order, 2]), tokens)) + 1
    for document, begin, size in table[np.sort(order[:few])].tolist():
        first, last = int(dataset.starts[document]), int(dataset.ends[document])
        at = np.arange(first + begin + 1, first + begin + size + 1)  # places of the tokens to predict
        around = at[:, None] + np.array(SHIFTS)
        around = np.where((around > first) & (around < last), around, first)  # the first token of a text is no target
        target = around > first
        if dataset.mask is not None:
            target &= np.asarray(dataset.mask[around])
        labels = np.where(target, dataset.tokens[around].astype(np.int64), -1)
        keep = np.asarray(target.any(1))
        yield _Row(np.asarray(dataset.tokens[at - 1]).astype(np.int64), keep, labels[keep])


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


def _log_p(model: Transformer, hidden_ND: Any, labels_NS: Any) -> tuple[Any, Any, float]:
    """log p of every label, [N, S]; the mean log p of every token over all positions, [V]; and how far the predictions of a
    position lie from that mean, in nats: the mean of sum p (log p - mean log p)."""
    import torch

    log_total_V, total_V = torch.zeros(2, model.config.vocab_size, dtype=torch.float64)
    found, own = [], 0.0
    for part_ND, part_NS in zip(hidden_ND.split(CHUNK), labels_NS.split(CHUNK)):
        log_p_NV = model.head(part_ND).float().log_softmax(-1).double()
        p_NV = log_p_NV.exp()
        log_total_V += log_p_NV.sum(0)
        total_V += p_NV.sum(0)
        own += (p_NV * log_p_NV).sum().item()
        found.append(log_p_NV.gather(1, part_NS.clamp(min=0)))
    n = len(hidden_ND)
    usual_V = log_total_V / n
    return torch.cat(found), usual_V, own / n - float((total_V / n) @ usual_V)


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

    if not any(run.checkpoints_dir.glob("step-*")):
        return None
    with contextlib.redirect_stdout(io.StringIO()):  # what it says of damaged ones is no part of the answer
        found = load_checkpoint(run.checkpoints_dir)
    if found is None:
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
