"""Packed rows of samples: an answer that shares its prompt with others has the log-probabilities that it has alone."""

from __future__ import annotations

import pytest
import torch

from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.rollout.batch import Sample, pack
from fledge.rollout.passes import logprobs, places_of


def tiny(window: int | None = None) -> Transformer:
    config = ModelConfig(
        vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=64, model_type="mistral" if window else "qwen3",
        sliding_window=window,
    )  # fmt: skip
    model = Transformer(config)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


def sample(prompt: list[int], *turns: tuple[list[int], bool]) -> Sample:
    ids, chosen = list(prompt), [False] * len(prompt)
    for turn, own in turns:
        ids += turn
        chosen += [own] * len(turn)
    made = Sample(ids, chosen)
    made.columns["weight"] = [float(i) for i, own in zip(ids, chosen) if own]
    return made


SAMPLES = [
    sample([5, 6, 7, 8], ([9, 10, 11], True)),
    sample([5, 6, 7, 8], ([12], True)),
    sample([5, 6, 7, 8], ([13, 14], True), ([20, 21, 22], False), ([15], True)),
    sample([9], ([16, 17], True)),
    sample([9], ([18], True)),
    sample([1, 2], ([3, 4, 5, 6, 7, 8], True)),
]


def alone(model: Transformer, one: Sample) -> list[float]:
    logp = model(torch.tensor([one.ids]))[0].log_softmax(-1)
    return [logp[i - 1, one.ids[i]].item() for i in range(len(one.ids)) if one.chosen[i]]


@pytest.mark.parametrize("width", [1, 9, 100])
@pytest.mark.parametrize("window", [None, 3])
def test_shared_prompts_change_no_log_probability(width, window):
    model = tiny(window)
    batch = pack(SAMPLES, 0, 7, width)
    places, targets = places_of(batch, torch.device("cpu"))
    hidden = model.hidden(
        batch.inputs_BT,
        positions_BT=batch.positions_BT,
        segments_BT=batch.segments_BT,
        prefixes_BT=batch.prefixes_BT,
    ).flatten(0, 1)[places]
    found = batch.by_sample(logprobs(model, hidden, targets, 1.0))
    assert sorted(found) == list(range(len(SAMPLES)))
    for i, one in enumerate(SAMPLES):
        assert found[i] == pytest.approx(alone(model, one), abs=1e-5)
    column = batch.columns_BT["weight"].flatten()[places]
    assert torch.equal(column.long(), targets)  # columns stand at their tokens


def test_a_shared_prompt_is_read_once():
    eight = [sample(list(range(1, 21)), ([30 + i, 31], True)) for i in range(8)]
    assert pack(eight, 0, 1, 100).num_tokens == 19 + 8 * 2
    apart = [sample([i, *range(1, 20)], ([30, 31], True)) for i in range(8)]
    assert pack(apart, 0, 1, 21).num_tokens == 8 * 21


def test_a_split_has_the_same_rows_and_tells_the_figures_once():
    batch = pack(SAMPLES, 0, 7, 9)
    batch.metrics = {"reward": (3.0, 6)}
    parts = batch.split(2)
    assert len(parts) == 2 and [part.metrics for part in parts] == [{"reward": (3.0, 6)}, {}]
    assert torch.equal(torch.cat([part.inputs_BT for part in parts]), batch.inputs_BT)
    assert torch.equal(torch.cat([part.columns_BT["weight"] for part in parts]), batch.columns_BT["weight"])
    assert len(batch.split(100)) == len(batch)
