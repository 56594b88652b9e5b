"""More rows for a model's embedding and head, when its tokenizer got new tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from fledge.model.transformer import Transformer


@torch.no_grad()
def grow_vocabulary(model: Transformer, pieces: Mapping[int, Sequence[int]]) -> None:
    """Give every new token in `pieces` the mean of the rows of the old ones that it was written with, in embedding and head.

    That is where its meaning begins (fast vocabulary transfer: Gee et al., 2022, arXiv:2402.09977). Old rows keep their bits; a
    model that has rows to spare uses them first.
    """
    size = max(model.config.vocab_size, max(pieces) + 1)
    tables: list[nn.Embedding | nn.Linear] = [model.model.embed_tokens]
    tables += [] if model.config.tie_word_embeddings else [model.lm_head]
    for table in tables:
        old = table.weight
        rows = torch.cat([old, old.new_zeros(size - len(old), old.shape[1])])
        for id, parts in pieces.items():
            rows[id] = old[list(parts)].mean(0)
        table.weight = nn.Parameter(rows)
    model.model.embed_tokens.num_embeddings = model.lm_head.out_features = size
    model.config = dataclasses.replace(model.config, vocab_size=size)
    model.tie_head()
