"""With the cache, in whatever portions and company, the model must compute what it computes without."""

from __future__ import annotations

import pytest
import torch

from fledge.generate.cache import StaticCache

GEMMA = {
    "model_type": "gemma3_text",
    "sliding_window": 4,
    "layer_types": ["sliding_attention", "full_attention"],
    "rope_local_base_freq": 100.0,
}


def feed(model, cache, ids_BT):
    """Run T tokens a row at the rows' own positions; return logits [B, T, V]."""
    starts = torch.tensor(cache.lengths or [0] * len(ids_BT))
    positions_BT = starts[:, None] + torch.arange(ids_BT.shape[1])
    return model(ids_BT, positions_BT=positions_BT, cache=cache)


@torch.inference_mode()
@pytest.mark.parametrize("changes", [{}, {"model_type": "mistral", "sliding_window": 4}, GEMMA])
@pytest.mark.parametrize("portions", [[10], [1] * 10, [3, 1, 4, 2], [6, 1, 1, 1, 1]])
def test_any_portions_give_the_logits_of_one_pass(make_model, changes, portions):
    model = make_model(**changes)
    ids_BT = torch.randint(0, 259, (3, 10), generator=torch.Generator().manual_seed(0))
    cache = StaticCache(model.config, 3, 10)
    parts = [feed(model, cache, portion) for portion in ids_BT.split(portions, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids_BT), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("changes", [{}, {"model_type": "mistral", "sliding_window": 4}, GEMMA])
def test_rows_of_different_length_do_not_see_their_padding(make_model, changes):
    model = make_model(**changes)
    rows = [torch.randint(0, 259, (n,), generator=torch.Generator().manual_seed(n)) for n in (9, 4, 6)]
    prompt_lengths = [6, 1, 3]
    cache = StaticCache(model.config, 3, 12)
    padded = torch.full((3, 6), 77)
    for i, (row, n) in enumerate(zip(rows, prompt_lengths)):
        padded[i, :n] = row[:n]
    feed(model, cache, padded)
    cache.truncate(prompt_lengths)
    one = feed(model, cache, torch.stack([row[n : n + 1] for row, n in zip(rows, prompt_lengths)]))
    two = feed(model, cache, torch.stack([row[n + 1 : n + 3] for row, n in zip(rows, prompt_lengths)]))
    for i, (row, n) in enumerate(zip(rows, prompt_lengths)):
        alone = model(row[None, : n + 3])[0, n:]
        torch.testing.assert_close(torch.cat((one[i], two[i])), alone, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_select_drops_repeats_and_reorders(model):
    rows = torch.randint(0, 259, (4, 7), generator=torch.Generator().manual_seed(5))
    cache = StaticCache(model.config, 5, 8)
    feed(model, cache, rows[:, :6])
    cache.truncate([6, 4, 5, 3])
    order = [3, 1, 0, 0, 2]
    cache.select(order)
    assert cache.lengths == [3, 4, 6, 6, 5]
    logits = feed(model, cache, torch.full((5, 1), 9))
    for i, row in enumerate(order):
        alone = torch.cat((rows[row, : [6, 4, 5, 3][row]], torch.tensor([9])))
        torch.testing.assert_close(logits[i, 0], model(alone[None])[0, -1], atol=1e-4, rtol=1e-4)


def test_a_mask_is_given_only_when_it_is_needed(model):
    cache = StaticCache(model.config, 2, 8)

    def mask_of(T):
        k = torch.zeros(2, 2, T, 16)
        shapes = [cache.update(layer, k, k) for layer in range(2)]
        assert shapes[0][0].shape[2] == cache.length, "attention must read the slots in use, not all"
        return shapes[0][2]

    assert mask_of(3) is None, "prompts into empty rows are causal"
    assert mask_of(1) is None, "one token sees everything"
    assert mask_of(2).tolist() == [[[[True] * 5 + [False], [True] * 6]]] * 2
    cache.truncate([6, 2])
    assert mask_of(1)[:, 0, 0].tolist() == [[True] * 7, [True] * 3 + [False] * 4]


def test_what_does_not_fit_is_refused(model):
    k = torch.zeros(2, 2, 5, 16)
    with pytest.raises(ValueError, match="do not fit"):
        StaticCache(model.config, 2, 4).update(0, k, k)
    with pytest.raises(ValueError, match="do not fit"):
        StaticCache(model.config, 1, 8).update(0, k, k)
    cache = StaticCache(model.config, 2, 8)
    for layer in range(2):
        cache.update(layer, k, k)
    with pytest.raises(ValueError, match="cannot truncate"):
        cache.truncate([6, 5])
