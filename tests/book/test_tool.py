"""docs/book.py: blocks, translations that are out of date, numbers that make none so."""

from __future__ import annotations

import xml.etree.ElementTree

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


# Excerpts of the source

MARKED = "<!--code fledge.parts.reference.swiglu-->\n```python\ndef swiglu(old): ...\n```\n<!--/code-->\n"


def test_code_is_copied_from_the_source() -> None:
    filled = book.excerpts.fill(f"# A\n\n{MARKED}\nwords\n")
    assert "def swiglu(gate: Tensor, up: Tensor) -> Tensor:\n    return F.silu(gate) * up\n```" in filled
    assert '"""' not in filled and book.excerpts.fill(filled) == filled


def test_a_part_is_taken_by_what_its_lines_hold() -> None:
    forward = "fledge.model.layers.Block.forward"
    two = book.excerpts.excerpt(forward, "x_BTD = x_BTD +", "normed =")
    assert two.splitlines()[0].startswith("x_BTD = ") and len(two.splitlines()) == 2
    assert book.excerpts.excerpt(forward, "normed =") == two.splitlines()[1]


def test_code_that_changed_makes_no_translation_stale() -> None:
    page = f"<!-- block: how -->\n## 怎么做\n\n{MARKED}"
    english = book.stamped(page, f"<!-- block: how -->\n## How\n\n{MARKED}")
    assert book.stale(page.replace("swiglu(old)", "swiglu(new)"), english) == []
    assert book.stale(page.replace("reference.swiglu", "reference.rms_norm"), english) != []


@pytest.mark.parametrize(
    ("marker", "missing"),
    [
        ("fledge.parts.reference.swigloo", "has no 'swigloo'"),
        ("fledge.party.swiglu", "there is no fledge.party.swiglu"),
        ('fledge.parts.reference.swiglu from "tanh"', 'no line with "tanh"'),
        ('fledge.parts.reference.swiglu from "return" to "tanh"', 'no line with "tanh"'),
    ],
)
def test_code_that_is_no_longer_there_is_named(marker, missing) -> None:
    with pytest.raises(KeyError, match=missing):
        book.excerpts.fill(f"<!--code {marker}-->\n<!--/code-->")


# Drawings


def test_drawings_are_in_step_and_say_no_other_language() -> None:
    """Both languages have the same drawings, their words differ, and each file is small and safe to show."""
    drawn = {path.name: text for path, text in book.drawings.all_drawings().items()}
    names = {name.split(".")[0] for name in drawn}
    assert len(names) >= 12 and set(drawn) == {f"{name}.{lang}.svg" for name in names for lang in ("zh", "en")}
    for name in names:
        chinese, english = drawn[f"{name}.zh.svg"], drawn[f"{name}.en.svg"]
        assert not any("\u3400" <= character <= "\u9fff" for character in english)
        assert (
            len(chinese) < 40_000
            and "<script" not in chinese
            and "http" not in chinese.replace("http://www.w3.org", "")
        )
        xml.etree.ElementTree.fromstring(english)
