"""docs/book.py: blocks, translations that are out of date, numbers that make none so."""

from __future__ import annotations

import pytest

from tests.test_docs import load_script

book = load_script("book")
ZH = (
    "<!-- block: why -->\n# 为什么\n\n比值是 <!--num exp1/metrics/a/ratio/mean as .1f-->1.0<!--/num-->。\n\n"
    "<!-- block: how -->\n## 怎么做\n"
)
EN = "<!-- block: why -->\n# Why\n\n<!-- block: how -->\n## How\n"


def test_a_stamped_translation_is_fresh() -> None:
    assert len(book.stale(ZH, EN)) == 2
    stamped = book.stamped(ZH, EN)
    assert book.stale(ZH, stamped) == [] and "# Why" in stamped


def test_a_changed_source_makes_its_block_stale() -> None:
    stamped = book.stamped(ZH, EN)
    (problem,) = book.stale(ZH.replace("怎么做", "怎样做"), stamped)
    assert "'how'" in problem


def test_a_new_number_makes_nothing_stale() -> None:
    assert book.stale(ZH.replace(">1.0<", ">2.5<"), book.stamped(ZH, EN)) == []


def test_blocks_must_be_the_same() -> None:
    (problem,) = book.stale(ZH, EN.replace("block: how", "block: what"))
    assert "differ" in problem


def test_words_before_the_first_block() -> None:
    with pytest.raises(ValueError, match="begins with a block"):
        book.blocks("# title\n" + ZH)
