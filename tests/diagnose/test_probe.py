"""What a model is asked about its text: the loss of the next token and of those beside it, whatever its training claimed."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fledge.data import prepare_rows
from fledge.diagnose.probe import LEAST_TARGETS, SHIFTS, score
from fledge.tokenizer import Tokenizer

LETTERS = "ABCDEFGHIJKLMNOP"
STEP = 3  # the text goes on by so many letters


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["a b c d e f g h "], 280)


class Knowing:
    """A stand-in for a model that says, with probability 0.9, the letter `places` after the last that it read."""

    def __init__(self, tokenizer, places, *, peeks=0):
        ids = [tokenizer.encode(letter)[0] for letter in LETTERS]
        self.next = torch.arange(tokenizer.vocab_size)
        for i, letter in enumerate(ids):
            self.next[letter] = ids[(i + STEP * places) % len(ids)]
        self.peeks = peeks
        self.config = SimpleNamespace(vocab_size=tokenizer.vocab_size, num_parameters=lambda: {"active": 1000})

    def hidden(self, ids_BT):
        return torch.nn.functional.one_hot(self.next[ids_BT.roll(-self.peeks, 1)], len(self.next)).float()

    def head(self, hidden):
        rest = len(self.next) - 1
        return torch.where(hidden > 0, math.log(0.9), math.log(0.1 / rest))


def walk(length):
    """Text in which every letter is followed by the one `STEP` on, but for one in eight, which is any."""
    random, place, found = np.random.default_rng(0), 0, []
    for _ in range(length):
        place = int(random.integers(16)) if random.random() < 1 / 8 else (place + STEP) % 16
        found.append(LETTERS[place])
    return "".join(found)


@pytest.fixture
def text(tokenizer, tmp_path):
    return prepare_rows([walk(500) for _ in range(8)], tokenizer, kind="text", out_dir=tmp_path / "text")


@pytest.mark.parametrize("places", [1, 0, 2])
def test_the_loss_is_lowest_at_the_token_that_the_model_says(tokenizer, text, places):
    scored = score(Knowing(tokenizer, places), text, 64)
    said = places - 1
    assert min(SHIFTS, key=lambda shift: scored.loss[shift].mean) == said
    # Right in (7/8 + 1/128)^|steps walked|; the copy of the input is always right (but for the text's marks).
    p = (7 / 8 + 1 / 128) ** abs(places)
    wanted = -p * math.log(0.9) - (1 - p) * math.log(0.1 / (tokenizer.vocab_size - 1))
    assert scored.loss[said].mean == pytest.approx(wanted, abs=0.12 * wanted + 0.05)
    assert 0 < scored.loss[said].error < 0.3 and scored.causal


def test_a_model_knows_the_next_token_better_than_its_neighbours_or_it_does_not(tokenizer, text):
    right, ahead = (score(Knowing(tokenizer, places), text, 64) for places in (1, 2))
    assert right.lead.mean > 0.25 * right.belief and right.lead.mean > 6 * right.lead.error
    assert ahead.lead.mean < 0 < ahead.belief
    even = Knowing(tokenizer, 1)
    even.head = lambda hidden: torch.zeros_like(hidden)
    nothing = score(even, text, 64)
    assert nothing.belief == pytest.approx(0, abs=1e-9) and nothing.lead.mean == pytest.approx(0, abs=1e-9)
    assert nothing.loss[0].mean == pytest.approx(math.log(tokenizer.vocab_size))


def test_a_model_that_looks_ahead_is_not_causal(tokenizer, text):
    assert not score(Knowing(tokenizer, 0, peeks=1), text, 64).causal


def test_of_conversations_only_the_targets_are_asked_for(tokenizer, tmp_path):
    rows = [
        {"conversations": [{"role": "user", "content": "A" * 30}, {"role": "assistant", "content": walk(40)}]}
        for _ in range(20)
    ]
    chats = prepare_rows(rows, tokenizer, kind="chat", out_dir=tmp_path / "chats")
    scored = score(Knowing(tokenizer, 1), chats, 128)
    assert scored.targets == chats.num_targets
    assert scored.loss[0].mean < 2.5  # of prompts, letters that only repeat, it knows nothing


def test_too_little_text_or_another_vocabulary_says_nothing(tokenizer, text, tmp_path):
    little = prepare_rows(["ABC"], tokenizer, kind="text", out_dir=tmp_path / "little")
    assert little.num_targets < LEAST_TARGETS and score(Knowing(tokenizer, 1), little, 64) is None
    small = Knowing(tokenizer, 1)
    small.config.vocab_size = 40
    assert score(small, text, 64) is None
