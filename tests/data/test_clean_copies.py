"""Units, exact and near copies, and benchmark items."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from fledge.data.clean.benchmarks import GRAM, Benchmarks
from fledge.data.clean.dedup import NearCopies, exact_key, signature
from fledge.data.clean.units import ngrams, unit_hashes
from fledge.errors import UserError


def jaccard(a, b):
    """The true similarity of two texts' shingles, by sets."""
    one, two = (set(ngrams(unit_hashes(text), 5).tolist()) for text in (a, b))
    return len(one & two) / len(one | two)


def test_units_are_words_and_characters():
    assert unit_hashes("The cat, 3 dogs — l'été").size == 6  # the cat 3 dogs l été
    assert unit_hashes("今天天气好").size == 5
    assert unit_hashes("用Python3写の函数").size == 6
    assert unit_hashes("").size == unit_hashes("…—!? \n").size == 0
    assert unit_hashes("한국어 문장").size == 2


def test_units_do_not_see_case_and_punctuation():
    assert np.array_equal(unit_hashes("The CAT sat; on (the) mat."), unit_hashes("the cat sat on the mat"))
    assert np.array_equal(unit_hashes("今天，天气好！"), unit_hashes("今天天气好"))
    assert not np.array_equal(unit_hashes("the cat"), unit_hashes("the act"))
    assert len(set(unit_hashes(" ".join(f"w{i}" for i in range(20_000))).tolist())) == 20_000


def test_units_are_the_same_on_every_machine():
    """Two machines that deduplicate parts of one corpus must agree: the numbers are part of the format."""
    assert unit_hashes("the 中").tolist() == PINNED


PINNED = [18322789214718304489, 4372983998377319790]


def test_ngrams():
    units = unit_hashes("a b c d e f")
    assert ngrams(units, 5).size == 2 and ngrams(units, 7).size == 0
    assert ngrams(unit_hashes("x a b c d e"), 5)[1] == ngrams(units, 5)[0]
    assert ngrams(unit_hashes("b a c d e"), 5)[0] != ngrams(units, 5)[0]


def test_exact_copies_differ_in_white_space_and_case_only():
    assert exact_key("The cat\n\nsat ") == exact_key("the  cat sat") != exact_key("the cat sat.")
    assert exact_key("今天") != exact_key("今夭")


# Near copies


def chinese(rng, count):
    return "".join(chr(rng.randrange(0x4E00, 0x5800)) for _ in range(count))


def english(rng, count):
    return " ".join("".join(rng.choice("abcdefghijklmnop") for _ in range(5)) for _ in range(count))


def edited(rng, text, lang, edits):
    """The text with some of its units replaced."""
    units = list(text) if lang == "zh" else text.split()
    for at in rng.sample(range(len(units)), edits):
        units[at] = chinese(rng, 1) if lang == "zh" else english(rng, 1)
    return ("" if lang == "zh" else " ").join(units)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_planted_near_copies_are_found_and_others_are_not(lang):
    rng = random.Random(7)
    write = chinese if lang == "zh" else english
    near, pairs, rows = NearCopies(), {}, 0
    for _ in range(400):
        text = write(rng, rng.randrange(60, 400))
        copy = edited(rng, text, lang, rng.randrange(0, max(2, len(unit_hashes(text)) // 15)))
        far = edited(rng, text, lang, len(unit_hashes(text)) // 4)  # about a fifth of the shingles stay
        for other, likeness in ((text, 0.0), (copy, jaccard(text, copy)), (far, jaccard(text, far))):
            near.add(rows, unit_hashes(other))
            pairs[rows] = likeness
            rows += 1
    found = {row: (earlier, likeness) for row, earlier, likeness in near.copies(0.75)}
    close = [row for row, likeness in pairs.items() if likeness >= 0.8]
    apart = [row for row, likeness in pairs.items() if likeness <= 0.3]
    assert len(close) > 100 and len(apart) > 600
    assert sum(row in found for row in close) >= 0.95 * len(close)
    assert not [row for row in apart if row in found]
    for row, (earlier, likeness) in found.items():
        assert earlier == row - 1 and abs(likeness - pairs[row]) < 0.16
    errors = [likeness - pairs[row] for row, (_, likeness) in found.items()]
    assert abs(np.mean(errors)) < 0.01, "the estimate leans to one side"


def test_minhash_estimates_jaccard_without_a_lean():
    rng = random.Random(3)
    errors = []
    for _ in range(300):
        text = english(rng, 200)
        other = edited(rng, text, "en", rng.randrange(1, 30))
        equal = (signature(unit_hashes(text)) == signature(unit_hashes(other))).mean()
        errors.append(equal - jaccard(text, other))
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 0.06


def test_a_chain_of_small_changes_does_not_pull_in_a_far_text():
    """c is near b but not near a: b goes, and with it the reason for c to go."""
    rng = random.Random(1)
    a = english(rng, 300).split()
    b = [*a[:280], *english(rng, 20).split()]
    c = [*english(rng, 40).split(), *b[40:]]
    texts = [" ".join(words) for words in (a, b, c)]
    assert jaccard(texts[0], texts[1]) > 0.8 and jaccard(texts[0], texts[2]) < 0.7
    near = NearCopies()
    for row, text in enumerate(texts):
        near.add(row, unit_hashes(text))
    assert [row for row, _, _ in near.copies(0.75)] == [1]


def test_a_long_text_is_permuted_in_blocks():
    words = english(random.Random(2), 9000)
    assert np.array_equal(signature(unit_hashes(words)), signature(unit_hashes(words)))
    tail = " ".join(words.split()[:8900])
    assert (signature(unit_hashes(words)) == signature(unit_hashes(tail))).mean() > 0.9


def test_short_texts_are_not_compared():
    near = NearCopies()
    for row, text in enumerate(["你是谁？我是小明，一个助手。", "你叫谁？我是小明，一个助手。"]):
        near.add(row, unit_hashes(text))
    assert list(near.copies(0.5)) == []


# Benchmarks

QUESTION = "A train travels 270 miles in 3 hours. At the same rate, how many additional hours would it take?"
FRAGE = "甲、乙两地相距二百七十千米，一列火车三小时行完，照这样的速度还要几小时？"


@pytest.fixture
def bench(write):
    rows = [{"question": QUESTION, "answer": "2"}, {"q": {"parts": [FRAGE]}}, {"question": "What is 2 + 2?"}]
    return write("bench.jsonl", rows)


def test_a_planted_item_is_found_wherever_it_stands(bench):
    found = Benchmarks.read([bench])
    assert found.short == 1
    hidden = f"My homework: {QUESTION.upper().replace(',', ' ;')} Thanks!"
    assert found.match(unit_hashes(hidden)) == ("bench.jsonl", 1, 2)
    assert found.match(unit_hashes("老师问：" + FRAGE.replace("，", " ") + "谢谢"))[:2] == ("bench.jsonl", 2)


def test_fewer_than_13_units_are_no_evidence(bench):
    found = Benchmarks.read([bench])
    words = QUESTION.split()
    assert found.match(unit_hashes(" ".join(words[: GRAM - 1]) + " or so")) is None
    assert found.match(unit_hashes(" ".join(words[:GRAM]) + " or so")) is not None
    assert found.match(unit_hashes("2")) is None


def test_a_phrase_of_the_benchmark_is_not_an_item(write):
    phrase = "Choose the one alternative that best completes the statement or answers the following question"
    rows = [{"q": f"{phrase}: {i} {QUESTION.replace('270', str(i))}"} for i in range(12)]
    found = Benchmarks.read([write("bench.jsonl", rows)])
    assert found.match(unit_hashes(f"{phrase} about birds.")) is None
    assert found.match(unit_hashes(rows[3]["q"]))[:2] == ("bench.jsonl", 4)


def test_other_files_are_benchmarks_too(write):
    table = write("bench.csv", f'Question,Answer\n"{QUESTION}",2\n"{FRAGE}",4\n')
    assert Benchmarks.read([table]).match(unit_hashes(FRAGE))[:2] == ("bench.csv", 3)
    text = write("bench.txt", f"{FRAGE}\n\n{QUESTION}\n")
    assert Benchmarks.read([text]).match(unit_hashes(QUESTION))[:2] == ("bench.txt", 2)
    with pytest.raises(UserError, match="is 13 words"):
        Benchmarks.read([write("short.jsonl", [{"q": "Why?"}])])


def test_real_benchmarks(shared_data):
    names = ("gsm8k_test.jsonl", "mmlu_val.jsonl", "agieval_open_subset.jsonl.gz", "truthfulqa.csv")
    found = Benchmarks.read([shared_data / "bench" / name for name in names])
    lines = (shared_data / "bench" / "gsm8k_test.jsonl").read_text(encoding="utf-8").splitlines()
    for number in range(0, len(lines), 50):
        question = json.loads(lines[number])["question"]
        if unit_hashes(question).size > GRAM:
            assert found.match(unit_hashes("Here is one for you. " + question)) is not None
