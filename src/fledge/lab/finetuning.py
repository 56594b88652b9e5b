"""What labs about fine-tuning have in common: a small model that knows a language, and a dialect of it to learn.

In the dialect some words have changed places. Its entropy is that of the language, exactly, so that a loss minus the entropy
says how much of either is not known.
"""

from __future__ import annotations

import functools
from copy import deepcopy

import torch
from torch import Tensor

from fledge.lab.tiny import language, next_word_loss, tiny_model
from fledge.model.transformer import Transformer

VOCAB, WIDTH, LAYERS, LENGTH = 32, 64, 2, 16
LEARNT, ROWS = 200, 16  # steps of the base, rows of a batch


def rows(count: int, seed: int, swapped: int = 0) -> Tensor:
    """[count, LENGTH + 1] of the language; of the dialect in which the first `swapped` words have moved on by one place."""
    found = language(VOCAB).rows(count, LENGTH + 1, seed)
    places = torch.arange(VOCAB)
    places[:swapped] = places[:swapped].roll(1)
    return places[found]


def train(model: Transformer, data: Tensor, lr: float) -> Transformer:
    """AdamW on what of the model requires a gradient, one batch of ROWS after the other, with a rate that falls to 0."""
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=lr, betas=(0.9, 0.95), weight_decay=0.0
    )
    batches = data.split(ROWS)
    for step, ids in enumerate(batches):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / len(batches))
        loss = next_word_loss(model(ids[:, :-1]), ids[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@functools.lru_cache(maxsize=2)
def _base(seed: int) -> Transformer:
    model = tiny_model(VOCAB, seed, width=WIDTH, layers=LAYERS)
    return train(model, rows(LEARNT * ROWS, seed), 0.01)


def base(seed: int) -> Transformer:
    """A new copy of the model that knows the language; with the same seed the same weights."""
    return deepcopy(_base(seed))


@torch.no_grad()
def unknown(model: Transformer, seed: int, swapped: int = 0) -> float:
    """Nats a word above the entropy, on rows that nobody trained on; the first two words are left out, they lack a past."""
    ids = rows(512, seed + 1_000_003, swapped)
    return next_word_loss(model(ids[:, :-1])[:, 1:], ids[:, 2:]).item() - language(VOCAB).entropy
