"""ROUGE-L against the table of the textbook, and what Self-Instruct does with it."""

from __future__ import annotations

import random

import pytest

from fledge.synth.similar import Novel, lcs, rouge_l, units


def by_the_table(a: list[str], b: list[str]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def test_the_bits_give_what_the_table_gives():
    rng = random.Random(0)
    for _ in range(300):
        a, b = ([rng.choice("abcd") for _ in range(rng.randrange(0, 80))] for _ in range(2))
        assert lcs(a, b) == by_the_table(a, b)


@pytest.mark.parametrize(
    ("a", "b", "value"), [("a b c", "a b c", 1.0), ("a b", "c d", 0.0), ("", "a", 0.0), ("a c", "a b c", 0.8)]
)
def test_rouge_l(a, b, value):
    assert rouge_l(a.split(), b.split()) == pytest.approx(value)


def test_chinese_is_compared_by_characters():
    assert units("写一首诗, in English!") == ["写", "一", "首", "诗", "in", "english"]


def test_novel_keeps_what_is_unlike_all_it_has():
    novel = Novel(0.7)
    novel.add("Write a poem about the sea.", always=True)
    assert not novel.add("Write a poem about the SEA")
    assert not novel.add("")
    assert novel.add("Explain how a bicycle works")
    assert not novel.add("Explain how the bicycle works")
