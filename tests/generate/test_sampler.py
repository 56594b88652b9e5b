"""Which tokens may be drawn, how often each is, and which log-probability is reported."""

from __future__ import annotations

import math

import pytest
import torch

from fledge.generate.sampler import next_token, penalised
from fledge.generate.sampling import Sampling
from fledge.parts.sampling import draw, filtered

PROBS = torch.tensor([[0.4, 0.3, 0.15, 0.1, 0.05]])
LOGITS = PROBS.log()


def kept(**wishes) -> list[int]:
    wishes = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, **wishes}
    return filtered(LOGITS, **wishes).isfinite()[0].nonzero()[:, 0].tolist()


def test_filters_keep_what_their_definitions_say():
    assert kept(top_k=2) == [0, 1]
    assert kept(top_k=99) == [0, 1, 2, 3, 4]
    assert kept(top_p=0.69) == [0, 1]
    assert kept(top_p=0.71) == [0, 1, 2], "the token that crosses p stays"
    assert kept(top_p=1e-6) == [0], "one token always stays"
    assert kept(min_p=0.3) == [0, 1, 2]
    assert kept(min_p=1.0) == [0]
    assert kept(top_k=3, top_p=0.6) == [0, 1], "top-p sees what top-k left: 0.4 / 0.85 < 0.6"


def test_the_draw_follows_the_probabilities():
    n = 20_000
    uniform = (torch.arange(n) + 0.5) / n
    ids = draw(LOGITS.expand(n, -1), uniform)
    shares = torch.bincount(ids, minlength=5) / n
    torch.testing.assert_close(shares, PROBS[0], atol=2 / n, rtol=0)


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24])
def test_the_draw_never_takes_a_token_that_was_ruled_out(uniform):
    logits = torch.randn(200, 50, generator=torch.Generator().manual_seed(0))
    logits[:, :5] = logits[:, -5:] = -torch.inf
    ids = draw(logits, torch.full((200,), uniform))
    assert ids.min() >= 5 and ids.max() < 45


def test_reported_is_the_log_probability_at_the_temperature_whatever_the_filters():
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    seen = torch.zeros(4, 50, dtype=torch.bool)
    uniform = torch.tensor([0.1, 0.5, 0.9, 0.99])
    for wishes in ({}, {"top_k": 3}, {"top_p": 0.5, "min_p": 0.1}, {"repetition_penalty": 1.5}):
        ids, logprobs = next_token(logits, Sampling(temperature=0.5, **wishes), uniform, seen)
        torch.testing.assert_close(logprobs, torch.log_softmax(logits / 0.5, -1)[torch.arange(4), ids])
    ids, logprobs = next_token(logits, Sampling(temperature=0))
    assert ids.equal(logits.argmax(-1))
    torch.testing.assert_close(logprobs, torch.log_softmax(logits, -1).amax(-1))


def test_the_penalty_makes_seen_tokens_less_likely_whatever_the_sign_of_their_logit():
    logits = torch.tensor([[2.0, 1.9, -1.0, -1.1]])
    seen = torch.tensor([[True, False, True, False]])
    assert penalised(logits, 2.0).tolist() == [[1.0, pytest.approx(0.95), -2.0, pytest.approx(-2.2)]]
    assert next_token(logits, Sampling(temperature=0, repetition_penalty=2.0), None, seen)[0].tolist() == [1]


def test_a_low_temperature_is_nearly_greedy_and_does_not_overflow():
    logits = torch.randn(8, 100, generator=torch.Generator().manual_seed(3))
    ids, logprobs = next_token(logits, Sampling(temperature=1e-4), torch.full((8,), 0.5))
    assert ids.equal(logits.argmax(-1)) and all(math.isfinite(value) for value in logprobs.tolist())


@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
def test_top_p_of_a_large_vocabulary_is_that_of_a_whole_sort(spread):
    """Rows whose nucleus is small, and rows whose nucleus is thousands of tokens, in one batch."""
    logits = torch.randn(6, 5000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * spread
    logits[::2] *= 5
    for p in (0.01, 0.5, 0.9, 0.999):
        mass, order = logits.softmax(-1).sort(dim=-1, descending=True)
        sizes = (mass.cumsum(-1) - mass < p).sum(-1)
        expected = torch.zeros_like(logits, dtype=torch.bool)
        for row, size in enumerate(sizes.tolist()):
            expected[row, order[row, :size]] = True
        kept = filtered(logits, temperature=1.0, top_k=0, top_p=p, min_p=0.0)
        assert kept.isfinite().equal(expected)
        assert kept[expected].equal(logits[expected])


@pytest.mark.parametrize(
    "file, expected",
    [
        ({}, {}),
        ({"temperature": 0.6, "top_p": 0.9}, {"temperature": 0.6, "top_p": 0.9}),
        (
            {"top_k": 20, "min_p": 0.1, "repetition_penalty": 1.05},
            {"top_k": 20, "min_p": 0.1, "repetition_penalty": 1.05},
        ),
        ({"temperature": None, "max_length": 8192, "eos_token_id": 3}, {}),
        ({"do_sample": False, "top_p": 0.9, "temperature": 0.6}, {"temperature": 0.0}),
    ],
)
def test_what_a_generation_config_decides(file, expected):
    assert Sampling.of_model(file) == Sampling(**expected)


@pytest.mark.slow  # importing transformers takes long
@pytest.mark.parametrize(
    "wishes",
    [
        {"temperature": 0.3},
        {"top_k": 1},
        {"top_k": 7},
        {"top_p": 0.01},
        {"top_p": 0.5},
        {"top_p": 0.95},
        {"min_p": 0.05},
        {"min_p": 0.5},
        {"repetition_penalty": 1.3},
        {"repetition_penalty": 0.8},
        {"temperature": 1.7, "top_k": 20, "top_p": 0.8, "min_p": 0.02, "repetition_penalty": 1.2},
    ],
)
def test_the_same_tokens_and_probabilities_as_transformers(wishes):
    from transformers.generation import logits_process as hf

    sampling = Sampling(**{"temperature": 1.0, **wishes})
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(64, 300, generator=generator) * 3
    history = torch.randint(0, 300, (64, 40), generator=generator)
    expected = hf.RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty)(history, logits)
    expected = hf.TemperatureLogitsWarper(sampling.temperature)(history, expected)
    if sampling.top_k:
        expected = hf.TopKLogitsWarper(sampling.top_k)(history, expected)
    if sampling.top_p < 1:
        expected = hf.TopPLogitsWarper(sampling.top_p)(history, expected)
    if sampling.min_p:
        expected = hf.MinPLogitsWarper(sampling.min_p)(history, expected)
    seen = torch.zeros(64, 300, dtype=torch.bool).scatter_(1, history, True)
    ours = filtered(
        torch.where(seen, penalised(logits, sampling.repetition_penalty), logits),
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        min_p=sampling.min_p,
    )
    assert ours.isfinite().equal(expected.isfinite())
    torch.testing.assert_close(ours.softmax(-1), expected.softmax(-1), atol=1e-7, rtol=1e-6)
