from __future__ import annotations

import gzip
import json
import random

import pytest
from tokenizers.pre_tokenizers import ByteLevel

from fledge.tokenizer import Tokenizer
from fledge.tokenizer.bpe import BPE, BYTE_TO_CHAR, merge_pair, split_words, training_words
from fledge.tokenizer.tokenizer import ADDED_TOKENS, SPECIAL_TOKENS
from tests.tokenizer.conftest import UNBROKEN, unbroken

SPECIALS = [*SPECIAL_TOKENS, *ADDED_TOKENS]


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(tokenizer.core.to_str())["model"]["merges"]]


def test_byte_table_is_the_librarys():
    assert sorted(BYTE_TO_CHAR) == sorted(ByteLevel.alphabet())
    assert BYTE_TO_CHAR[ord(" ")] == "Ġ" and BYTE_TO_CHAR[ord("\n")] == "Ċ" and BYTE_TO_CHAR[ord("a")] == "a"


def test_split_is_qwen2s():
    assert split_words("Hello, world's 2024!\n\n  你好 ok") == [
        "Hello", ",", " world", "'s", " ", "2", "0", "2", "4", "!\n\n", " ", " 你好", " ok",
    ]  # fmt: skip


def test_merge_goes_from_the_left():
    assert merge_pair([1, 1, 1, 2, 1, 1], (1, 1), 9) == [9, 1, 2, 9]


@pytest.mark.parametrize("vocab_size", [265, 266, 300, 450, 600])
def test_same_merges_in_the_same_order_as_the_fast_trainer(corpus, vocab_size):
    ours = BPE.train(corpus, vocab_size, SPECIALS)
    fast = Tokenizer.train(corpus, vocab_size)
    assert ours.merges == merges_of(fast)
    assert ours.tokens == [fast.token_name(id) for id in range(fast.vocab_size)]
    assert len(ours.merges) == vocab_size - 265


def test_ties_are_decided_alike(tiny_corpora):
    for texts in tiny_corpora:
        assert BPE.train(texts, 400, SPECIALS).merges == merges_of(Tokenizer.train(texts, 400))


@pytest.mark.parametrize("name", UNBROKEN)
def test_text_without_breaks_gives_the_same_merges_as_the_fast_trainer(name):
    text = unbroken(name, 3000)
    ours, fast = BPE.train([text], 330, SPECIALS), Tokenizer.train([text], 330)
    assert ours.merges == merges_of(fast) and ours.merges
    assert ours.encode(text) == fast.encode(text), "encoding cuts no word"
    assert fast.decode(fast.encode(text)) == text


def test_training_cuts_and_thins_out_only_what_no_language_has(corpus, nasty):
    for text in (*corpus, *nasty, "a" * 256 + " " + "=" * 255 + "\n\n" + " " * 250 + "中" * 256):
        assert training_words(text) == split_words(text)
    for sign in "a中=":
        assert [len(word) for word in training_words(sign * 2100)] == [256, 256, 52]  # of 2048 a quarter
    assert [len(word) for word in training_words("a" * 1023)] == [256, 256, 256, 255]
    assert "".join(training_words(" " * 1300)) == " " * 1300


def test_pairs_that_occur_once_are_not_merged():
    ours, fast = BPE.train(["abab xyz"], 400, SPECIALS), Tokenizer.train(["abab xyz"], 400)
    assert ours.merges == merges_of(fast) == [("a", "b")]


def test_encodes_like_the_library(corpus, nasty):
    ours, fast = BPE.train(corpus, 500, SPECIALS), Tokenizer.train(corpus, 500)
    draw = random.Random(3)
    plain = [text for text in nasty if not any(token in text for token in ADDED_TOKENS)]
    for text in [*corpus[:100], *plain, "".join(draw.choices("aabn 市场\n!'s", k=300))]:
        ids = ours.encode(text)
        assert ids == fast.encode(text)
        assert ours.decode(ids) == text


@pytest.mark.slow
def test_same_merges_on_real_text(shared_data):
    texts = []
    for name in ("en_mix", "zh_mix"):
        with gzip.open(shared_data / "pretrain" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            texts += [json.loads(next(lines))["text"] for _ in range(100)]
    ours, fast = BPE.train(texts, 900, SPECIALS), Tokenizer.train(texts, 900)
    assert ours.merges == merges_of(fast)
    assert all(ours.encode(text) == fast.encode(text) for text in texts[:10])
