"""Landmarks of counting, and what samples say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fledge.data import prepare_rows
from fledge.diagnose.counting import PIECE, Pairs, _chosen, count
from fledge.diagnose.repetition import repeats, repetition, repetition_of_data
from fledge.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["a b c d e f g h "], 280)


def letters(length: int, step: int) -> str:
    """A walk through the alphabet: the next letter is `step` on, or (one time in four) anything."""
    generator = np.random.default_rng(0)
    place, found = 0, []
    for _ in range(length):
        place = int(generator.integers(16)) if generator.random() < 0.25 else (place + step) % 16
        found.append(chr(ord("A") + place))
    return "".join(found)


def test_counting_gets_the_entropies_of_a_known_source(tokenizer, tmp_path):
    data = prepare_rows([letters(40_000, 3)], tokenizer, kind="text", out_dir=tmp_path / "data")
    counts = count(data, tokenizer.vocab_size)
    p = 0.75 + 0.25 / 16  # the walk goes on, or jumps there by chance
    entropy = -p * math.log(p) - 15 / 64 * math.log(1 / 64)
    assert counts.unigram == pytest.approx(math.log(16), abs=0.01)
    assert counts.bigram == pytest.approx(entropy, abs=0.03)


def test_only_targets_are_counted(tokenizer, tmp_path):
    rows = [
        {"conversations": [{"role": "user", "content": "ABAB" * i}, {"role": "assistant", "content": "CDCD" * 9}]}
        for i in range(1, 80)
    ]
    data = prepare_rows(rows, tokenizer, kind="chat", out_dir=tmp_path / "data")
    counts = count(data, tokenizer.vocab_size)
    assert counts.bigram < 0.15 < 0.5 < counts.unigram


def test_too_little_data_says_nothing(tokenizer, tmp_path):
    data = prepare_rows([letters(500, 3)], tokenizer, kind="text", out_dir=tmp_path / "data")
    assert count(data, tokenizer.vocab_size) is None
    data = prepare_rows([letters(5000, 3)], tokenizer, kind="text", out_dir=tmp_path / "more")
    assert count(data, 40) is None  # another vocabulary than the data have


def test_an_unseen_context_falls_back_on_single_tokens():
    table = Pairs(np.array([0, 0, 1]), np.array([1, 1, 2]), 4)
    assert table.nll(np.array([3]), np.array([1]))[0] == pytest.approx(-math.log(table.single[1]))
    every = [np.exp(-table.nll(np.full(4, before), np.arange(4))).sum() for before in range(4)]
    assert every == pytest.approx([1, 1, 1, 1])  # a distribution after every token


def test_large_data_are_read_in_pieces_from_all_over():
    place = _chosen(50_000_000)
    assert len(place) <= 1_000_000 and place[0] == 0 and place[-1] == 49_999_999
    assert (np.diff(place) == 1).mean() > 1 - 2 / PIECE


def test_repetition():
    assert repetition("Every sentence here says another thing than the last.") == 0
    assert repetition("他最喜欢吃辣椒。" * 6) > 0.6
    assert repetition("日，" * 20) > 0.8
    assert repetition("short") == 0


def test_repeats_are_those_of_the_last_samples():
    loop, text = "and the man " * 8, "It was a fine morning, and nobody in the town knew why the bell rang."
    samples = [{"step": step, "text": loop if step < 3 else text} for step in range(9) for _ in range(2)]
    rate, _ = repeats(samples)
    assert rate == 0
    rate, worst = repeats([*samples, {"step": 8, "text": loop}])
    assert 0 < rate < 0.5 and worst == loop
    assert repeats([{"step": 5, "text": "yes"}] * 6) is None


def test_repetition_of_the_training_text(tokenizer, tmp_path):
    sound = prepare_rows([letters(4000, 3)], tokenizer, kind="text", out_dir=tmp_path / "a")
    loops = prepare_rows(["ABCDEF" * 500], tokenizer, kind="text", out_dir=tmp_path / "b")
    assert repetition_of_data(sound, tokenizer) < 0.1 < 0.5 < repetition_of_data(loops, tokenizer)
