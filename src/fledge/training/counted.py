"""A beginning that has counted: before the first step, embedding and head learn which token follows which.

The pairs of a text can be counted in a second, and a model without its blocks is a table of pairs of low rank: the row of the
embedding, normalised, times the head. Fitting these two matrices to the counts costs as much as a few dozen steps of training
and gives them what hundreds of steps would, about rare tokens most of all, because the counts hold the whole text at once. The
blocks then learn what pairs do not say. The model stays an ordinary one; what it wins stands in docs/LOG.md.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.data.dataset import Dataset
from fledge.model.beginning import CONSTANT
from fledge.model.transformer import Transformer

MOST_TOKENS = 10_000_000  # of a larger dataset, and of a longer example
DISCOUNT = 0.75  # taken from every count and given to the tokens in general (absolute discounting; Ney et al., 1994)
STEPS, BETAS = 40, (0.8, 0.95)  # of Adam, with all the counts; its rate falls to 0
EMBEDDING_RATE, HEAD_RATE = 0.3, 0.01
ROWS = 512  # of the table at once: the whole of a large vocabulary's would not fit


class Table:
    """Which token follows which, as [V, V] probabilities of which a few rows at a time are written out."""

    def __init__(self, dataset: Dataset, vocab_size: int) -> None:
        place = _places(dataset)
        token, last = (dataset.tokens[place - back].astype(np.int64) for back in (0, 1))
        keys, counts = np.unique(last * vocab_size + token, return_counts=True)
        before, after = np.divmod(keys, vocab_size)
        self.begins = np.searchsorted(before, np.arange(vocab_size + 1))
        self.after, self.counts = torch.from_numpy(after), torch.from_numpy(counts).float()
        self.before = torch.from_numpy(before)
        self.total = torch.zeros(vocab_size).index_add_(0, self.before, self.counts)
        single = torch.zeros(vocab_size).index_add_(0, self.after, self.counts) + 0.5
        self.single = single / single.sum()

    def rows(self, begin: int, end: int) -> Tensor:
        """[end - begin, V]: the counts less DISCOUNT; what was taken goes to the single tokens. A token that is never followed
        is followed as any is."""
        some = slice(int(self.begins[begin]), int(self.begins[end]))
        table = torch.zeros(end - begin, len(self.single))
        table[self.before[some] - begin, self.after[some]] = self.counts[some] - DISCOUNT
        table /= self.total[begin:end, None].clamp(min=1)
        return table + (1 - table.sum(1, keepdim=True)) * self.single

    def shares(self) -> Tensor:
        """[V]: how often each token is asked what follows it."""
        return (self.total + 1) / (self.total + 1).sum()


def begin_counted(model: Transformer, dataset: Dataset) -> float:
    """Fit embedding and head of new weights to the pairs of `dataset`, in place; the first coordinate of the embedding, which
    attention's beginning reads, and the length of its rows stay. Returns the loss over the counted pairs, nats a token.

    ValueError for a model whose head is its embedding: it cannot hold a table that is not symmetric.
    """
    if model.config.tie_word_embeddings:
        raise ValueError("a head that is the embedding can only hold a symmetric table of pairs")
    embedding, head = model.model.embed_tokens.weight, model.lm_head.weight
    vocab_size, width = embedding.shape
    table = Table(dataset, vocab_size)
    shares = table.shares().to(embedding.device)
    rows, columns = (weight.detach().float().clone().requires_grad_() for weight in (embedding, head))
    rates = (EMBEDDING_RATE, HEAD_RATE)
    adam = torch.optim.Adam([{"params": [each]} for each in (rows, columns)], betas=BETAS, eps=1e-12)
    loss = math.inf
    for step in range(STEPS):
        loss = _gradients(rows, columns, table, shares)
        for group, rate in zip(adam.param_groups, rates):
            group["lr"] = rate * (1 - step / STEPS)
        rows.grad[:, 0] = 0  # type: ignore[index]
        adam.step()
        adam.zero_grad()
        with torch.no_grad():
            rows[:, 1:] *= (width - 1) ** 0.5 / rows[:, 1:].norm(dim=1, keepdim=True)
            rows[:, 0] = CONSTANT
    with torch.no_grad():
        embedding.copy_(rows)
        head.copy_(columns)
    return loss


def _gradients(embedding: Tensor, head: Tensor, table: Table, shares: Tensor) -> float:
    """Backward through the loss over all pairs, some rows of the table after the other; the loss."""
    total = 0.0
    for begin in range(0, len(embedding), ROWS):
        end = min(begin + ROWS, len(embedding))
        logits = F.rms_norm(embedding[begin:end], embedding.shape[1:]) @ head.T
        wanted = table.rows(begin, end).to(logits.device)
        loss = -(shares[begin:end, None] * wanted * F.log_softmax(logits, dim=1)).sum()
        loss.backward()
        total += loss.item()
    return total


def _places(dataset: Dataset) -> np.ndarray:
    """Of every token of the examples that has one before it; of a larger dataset, of examples from all over it."""
    every = -(-int((dataset.ends - dataset.starts).sum()) // MOST_TOKENS)
    starts, lengths = dataset.starts[::every] + 1, (dataset.ends - dataset.starts)[::every] - 1
    lengths = np.clip(lengths, 0, MOST_TOKENS)
    return np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
