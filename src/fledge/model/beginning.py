"""Where attention begins: some heads of new weights already look one, two, … tokens back, and some for what came after the same
token before.

A small model spends much of a short run on finding these two (induction heads: Olsson et al., 2022, arXiv:2209.11895), though
every text needs them and nothing of a text is needed to write them down. They are a beginning only: training may turn them into
anything else, and the model stays an ordinary one. Structure in the weights at the start is also what Trockman and Kolter
(2023, arXiv:2305.09828) give vision models; what it does here stands in docs/LOG.md.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.model.layers import Attention, Block
from fledge.model.transformer import Transformer

CONSTANT = 4.0  # of the first coordinate of every embedding, whose others are N(0, 1): it does not depend on the token
FAINT = 0.1  # what is left of the random part of the queries and keys that are set
SLOW = 0.011  # radians a token: RoPE turns such pairs so little that 100 tokens do not matter
BLOCKS = 3  # that begin like this
BACK, FOUND = 1.0, 0.5  # size of what these heads write, against that of the embeddings


@torch.no_grad()
def look_around(model: Transformer, seed: int = 0) -> Transformer:
    """Set heads of the first blocks in place, after `init_weights`.

    The first group of query heads looks back: its keys and queries hold only the constant coordinate, turned by RoPE's own
    angles so that query head h meets the key h + 1 tokens before it best. The last group's first head, from the second block on,
    asks with the token's value in block 0's first head for keys that read what that head wrote there: the token before them.
    A model with one group of heads has only the first kind. One whose head is its embedding is left as it is: there everything that
    is written moves the first predictions away from ln V, and nothing was measured.
    """
    config = model.config
    if config.tie_word_embeddings:
        return model
    size, group = config.head_dim or 0, config.num_attention_heads // config.num_key_value_heads
    model.model.embed_tokens.weight[:, 0] = CONSTANT
    generator = torch.Generator().manual_seed(seed)
    blocks = [block for block in model.model.layers if isinstance(block, Block)]
    attentions = [block.self_attn for block in blocks[:BLOCKS]]
    for attention in attentions:
        _look_back(attention, model.inv_freq, group)
        _write(attention, slice(0, group * size), BACK, generator)
    if config.num_key_value_heads == 1:
        return model
    first = attentions[0]
    asked, read = first.v_proj.weight[:size].clone(), first.o_proj.weight[:, :size].T.clone()
    for attention in attentions[1:]:
        query, key = (config.num_attention_heads - group) * size, (config.num_key_value_heads - 1) * size
        _look_for(attention.q_proj.weight[query : query + size], asked, model.inv_freq)
        _look_for(attention.k_proj.weight[key : key + size], read, model.inv_freq)
        _write(attention, slice(query, query + size), FOUND, generator)
    return model


def _look_back(attention: Attention, inv_freq: Tensor, group: int) -> None:
    """Key n and query m of head h, both constant, score highest where m - n = h + 1: a pair that turns by θ a token gives the
    cosine of θ (m - n - h - 1), weighted by θ, so that slow pairs, which tell neighbours hardly apart, count little."""
    query, key = attention.q_proj.weight, attention.k_proj.weight
    width, half = query.shape[1], len(inv_freq)
    constant = CONSTANT / ((width - 1 + CONSTANT**2) / width) ** 0.5  # as the norm in front leaves it
    length = (2 * half * inv_freq / inv_freq.sum()).sqrt() / constant  # of a pair: a query's squares sum to its size
    for rows, angle in [(key[: 2 * half], inv_freq)] + [
        (query[2 * half * head : 2 * half * (head + 1)], -head * inv_freq) for head in range(group)
    ]:
        rows *= FAINT
        rows[:, 0] = torch.cat([length * angle.cos(), length * angle.sin()])


def _look_for(rows: Tensor, wanted: Tensor, inv_freq: Tensor) -> None:
    """Rows [size, width] of a projection give `wanted` [size, width], each row made as long as 1, in RoPE's slow pairs."""
    slow = (inv_freq < SLOW).repeat(2)
    rows *= FAINT
    rows[slow] += (wanted / wanted.norm(dim=1, keepdim=True))[slow]


def _write(attention: Attention, heads: slice, size: float, generator: torch.Generator) -> None:
    """Columns `heads` of the output matrix become N(0, size² / head_dim): values of size 1 are written as large as `size`."""
    columns = attention.o_proj.weight[:, heads]
    attention.o_proj.weight[:, heads] = (
        torch.empty(columns.shape).normal_(0, size / attention.head_dim**0.5, generator=generator).to(columns.device)
    )
