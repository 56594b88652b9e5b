"""New weights already look back and find: the heads attend where they should, and the first loss is what it was."""

from __future__ import annotations

import math

import pytest
import torch

from fledge.model.beginning import look_around
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_tables
from fledge.model.transformer import Transformer

V, T = 512, 64


def shape(**changes):
    usual = dict(
        vocab_size=V, hidden_size=256, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=64, tie_word_embeddings=False,
    )  # fmt: skip
    return ModelConfig(**{**usual, **changes})


def attended(model, ids_1T):
    """Weights [block, head, query, key] of every block's attention."""
    found = []
    with torch.no_grad():
        x = model.model.embed_tokens(ids_1T)
        rope = rope_tables(model.inv_freq, torch.arange(ids_1T.shape[1]), model.rope_factor, x.dtype)
        for block in model.model.layers:
            attention, normed = block.self_attn, block.input_layernorm(x)
            q = attention.q_proj(normed).view(1, T, -1, attention.head_dim)
            k = attention.k_proj(normed).view(1, T, -1, attention.head_dim)
            if attention.qk_norm:
                q, k = attention.q_norm(q), attention.k_norm(k)
            q, k = (model.parts.apply_rope(tensor.transpose(1, 2), *rope) for tensor in (q, k))
            k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
            scores = (q @ k.mT) / attention.head_dim**0.5
            found.append(scores.masked_fill(torch.ones(T, T).triu(1).bool(), -math.inf).softmax(-1)[0])
            x = block(x, rope, None, None, None)
    return torch.stack(found)


@pytest.mark.parametrize("model_type", ["qwen3", "llama"])  # with a norm of queries and keys, and without
def test_heads_of_the_first_group_look_one_and_two_tokens_back(model_type):
    model = look_around(Transformer(shape(model_type=model_type)).init_weights())
    weights = attended(model, torch.randint(0, V, (1, T), generator=torch.Generator().manual_seed(1)))[0]
    for head in (0, 1):
        back = weights[head].diagonal(-head - 1)[8:]
        assert back.mean() > 0.5  # of 8 to 63 tokens; blind attention would give less than 0.1
    assert weights[2:].diagonal(-1, 1, 2)[:, 8:].mean() < 0.2  # the others are as random as before


def test_a_head_of_the_second_block_finds_what_came_after_the_same_token():
    model = look_around(Transformer(shape()).init_weights())
    ids = torch.randperm(V, generator=torch.Generator().manual_seed(2))[None, :T]
    ids[0, 40:60] = ids[0, 10:30]
    weights = attended(model, ids)[1]
    rows = torch.arange(40, 60)
    assert weights[2, rows, rows - 29].mean() > 0.15  # blind: 0.02
    assert weights[2, rows, rows - 29].mean() > 5 * weights[3, rows, rows - 29].mean()


def test_the_first_loss_is_that_of_knowing_nothing_and_seeds_repeat():
    one, again, other = (look_around(Transformer(shape()).init_weights(seed), seed) for seed in (0, 0, 1))
    ids = torch.randint(0, V, (2, T))
    loss = torch.nn.functional.cross_entropy(one(ids).flatten(0, 1), ids.flatten())
    assert loss.item() == pytest.approx(math.log(V), abs=1e-5)
    states = [model.state_dict() for model in (one, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    name = "model.layers.0.self_attn.o_proj.weight"
    assert not torch.equal(states[0][name], states[2][name])


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 1}, {"num_key_value_heads": 1}, {"head_dim": 16}])
def test_odd_shapes_begin_too(changes):
    model = look_around(Transformer(shape(**changes)).init_weights())
    assert model(torch.zeros(1, 4, dtype=torch.long)).isfinite().all()


def test_a_tied_model_is_left_as_it_is():
    left, plain = Transformer(shape(tie_word_embeddings=True)), Transformer(shape(tie_word_embeddings=True))
    look_around(left.init_weights())
    plain.init_weights()
    assert all(torch.equal(a, b) for a, b in zip(left.state_dict().values(), plain.state_dict().values()))
