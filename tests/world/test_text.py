"""The world's text: the same bytes everywhere, log p exact, true, natural in the details that a rule can check."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import pytest

from fledge.world import World, text
from fledge.world.draw import Draw
from fledge.world.facts import RELATIONS
from fledge.world.grammar import TAGS, Writer, forms
from fledge.world.sentences import table
from fledge.world.text import KINDS, document, documents


@pytest.fixture(scope="module")
def world() -> World:
    return World.build("small")


@pytest.fixture(scope="module")
def many(world) -> list[text.Document]:
    return list(documents(world, 6000))


GOLDEN = {"tiny": "186de536d5d92a54", "small": "7f76c4430d4fe5dd"}


@pytest.mark.parametrize("size", GOLDEN)
def test_the_same_bytes_everywhere(size):
    found = documents(World.build(size), 200)
    assert hashlib.sha256("\n".join(d.text for d in found).encode("utf-8")).hexdigest()[:16] == GOLDEN[size]


def test_a_document_is_a_function_of_its_index(world, many):
    assert document(world, 4321) == many[4321]
    heads = [document(world, 5, **key).text for key in ({}, {"seed": 1}, {"split": "validation"})]
    assert len(set(heads)) == 3


def test_spans_cover_the_text_and_hold_all_bits(many):
    for found in many:
        assert found.spans[0].start == 0 and found.spans[-1].end == len(found.text)
        assert all(one.end == two.start for one, two in zip(found.spans, found.spans[1:]))
        assert all(span.start < span.end and span.tag in TAGS and span.bits >= 0 for span in found.spans)
        assert sum(span.bits for span in found.spans) == pytest.approx(found.bits)
    assert {span.tag for found in many for span in found.spans} == set(TAGS)
    assert {found.kind for found in many} == set(KINDS)


def test_what_is_known_costs_nothing(many):
    """Facts and carried state are never chosen, so they carry no bits (but for the end of a text that they close)."""
    for found in many:
        for span in found.spans[:-1]:
            if span.tag in ("common", "rare", "state", "arithmetic"):
                assert span.bits == 0, (found.text, span)


class TracedDraw(Draw):
    """Remembers every choice: the derivation of a text."""

    def __init__(self, *key: object) -> None:
        super().__init__(*key)
        self.trace: list[tuple[int, int]] = []
        TracedDraw.last = self

    def _below(self, n: int) -> int:
        value = super()._below(n)
        self.trace.append((n, value))
        return value

    def choose(self, options, weights=None):
        chosen = super().choose(options, weights)
        if weights is not None:  # which number fell does not matter, only which option
            self.trace[-1] = (sum(weights), list(options).index(chosen))
        return chosen


@pytest.mark.parametrize(("size", "count"), [("tiny", 20000), ("small", 12000)])
@pytest.mark.slow
def test_one_text_has_one_derivation(monkeypatch, size, count):
    monkeypatch.setattr(text, "Draw", TracedDraw)
    world, derivation = World.build(size), {}
    for index in range(count):
        found = document(world, index)
        trace = tuple(TracedDraw.last.trace)
        assert derivation.setdefault(found.text, trace) == trace, found.text
    assert len(derivation) < count  # some texts did come twice: the test could have failed


@pytest.mark.slow
def test_texts_come_as_often_as_their_bits_say():
    """Over the texts that should come at least 8 times in 20,000 of the tiny world: observed beside expected."""
    world, count = World.build("tiny"), 20000
    seen: Counter[str] = Counter()
    bits = {}
    for found in documents(world, count):
        seen[found.text] += 1
        bits[found.text] = found.bits
    expected = {one: count * 2.0**-b for one, b in bits.items() if count * 2.0**-b >= 8}
    assert len(expected) > 50
    total = sum(expected.values())
    assert sum(seen[one] for one in expected) == pytest.approx(total, abs=4 * total**0.5)
    chi = sum((seen[one] - wanted) ** 2 / wanted for one, wanted in expected.items()) / len(expected)
    assert 0.7 < chi < 1.3


def test_only_true_facts_are_told_and_only_in_their_languages(world, many):
    """Every object in a line about a subject belongs to a fact of that subject, told in that language."""
    lines = [found for found in many if found.kind == "facts"]
    for found in lines:
        words = [(span.tag, found.text[span.start : span.end]) for span in found.spans]
        name = next(word for tag, word in words if tag == "name")
        name = name.removesuffix("'s").removesuffix("的")
        plain = {name.lower(), name.lower().removeprefix("an ").removeprefix("a ")}
        subject = next(
            thing for kind in ("person", "place", "food", "animal") for thing in world.of_kind(kind)
            if plain & {thing.zh, thing.en.lower(), thing.many}
        )  # fmt: skip
        told = set()
        for fact in world.told(subject.id, found.lang):
            thing = world.entities.get(fact.object)
            told |= {thing.zh, thing.en, thing.many, f"a {thing.en}", f"an {thing.en}"} if thing else {fact.object}
        assert {word for tag, word in words if tag in ("common", "rare")} <= told, found.text
    assert len(lines) > 1000


def test_every_fact_is_told_often_enough(world, many):
    """In 1.2 MB of every language even the rarest fact comes at least 25 times over both."""
    size = sum(len(found.text.encode("utf-8")) for found in many)
    mentions = sum(span.tag in ("common", "rare") for found in many if found.kind == "facts" for span in found.spans)
    least = min(fact.weight for fact in world.facts if len(fact.languages) == 2)
    assert mentions * 2_400_000 / size * least > 25


def test_facts_that_are_never_asked_are_never_asked(world, many):
    """A question that names its subject is about a fact that may be asked."""
    asked = Counter()
    for found in many:
        if found.kind not in ("ask", "talk") or found.lang != "en":
            continue
        for line in found.text.split("\n"):
            match = re.search(r"(?:What is|Who is) (\w+)'s (job|pet|wife|husband|father|mother)\?", line)
            if match:
                person = match[1].lower()
                relation = {"wife": "spouse", "husband": "spouse"}.get(match[2], match[2])
                assert world.fact(person, relation).asked, line
                asked[relation] += 1
    assert len(asked) >= 4


def test_sums_are_right_and_held_out_pairs_absent(world, many):
    found = 0
    for one in many:
        for a, sign, b, c in re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", one.text):
            assert int(a) + int(b) * (1 if sign == "+" else -1) == int(c)
            plus = (int(a), int(b)) if sign == "+" else (int(b), int(c))
            assert not world.held_out_sum(*plus), one.text
            found += 1
        for price, wallet, rest in re.findall(r"for (\d+) coins\. \w+ gave (\d+) and got (\d+) back", one.text):
            assert int(wallet) - int(price) == int(rest)
        for a, b, c in re.findall(r"(?:has|buys) (\d+) \w+ and (?:gets|then) (\d+) more\.[^.]*?(\d+)\.", one.text):
            assert int(a) + int(b) == int(c) and not world.held_out_sum(int(a), int(b))
    assert found > 150


def test_a_gift_changes_hands(many):
    """Who has it now follows from the sentence before."""
    number = 0
    for found in many:
        given = re.search(r"gave (her|him) an? \w+ (\w+)\. Now (\w+) had the (\w+)\.", found.text)
        if given:
            assert given[3] == {"her": "she", "him": "he"}[given[1]] and given[2] == given[4]
            number += 1
    assert number > 5


def test_english_reads_well(many):
    for found in many:
        if found.lang == "zh":
            continue
        english = " ".join(re.findall(r"[ -~]+", found.text))
        assert not re.search(r"\ba [aeiouAEIOU]|\ban (?!hour)[^aeiouAEIOU]", english), english
        assert not re.search(r"  | [.,?!:]|[{}\[\]|_~*]|\.\.|\b1 (coins|degrees|\w+s)\b", english), english
        for line in re.split(r"(?<=[.?!]) |\n|: ", found.text):
            assert not re.match(r"[a-z]", line) or found.kind in ("pair", "puzzle", "prices", "weather", "letter"), (
                found.text
            )


def test_chinese_reads_well(many):
    for found in many:
        if found.lang == "zh":
            assert not re.search(r"[A-Za-z,.?!:{}\[\]|_*~]", found.text), found.text
            assert not re.search(r"的的|了了|是是|，，|。。|，。|们们", found.text), found.text


def test_kinds_show_early(many):
    """The first 12 characters say what kind of text comes: no head stands for two kinds more than rarely."""
    heads: dict[str, Counter[str]] = {}
    for found in many:
        heads.setdefault(found.lang + found.text[:16], Counter())[found.kind] += 1
    clear = sum(max(kinds.values()) for kinds in heads.values())
    assert clear / len(many) > 0.95


def test_forms_of_one_choice_differ():
    for lang in ("zh", "en"):
        assert set(table(lang)) == set(RELATIONS)
        for entries in table(lang).values():
            assert len({form for _, _, form in entries}) == len(entries)
            assert {"v", "q"} <= {kind for kind, _, _ in entries}
    with pytest.raises(AssertionError, match="twice"):
        forms("1 a [b|b]")
    with pytest.raises(AssertionError, match="twice"):
        forms("1 a\n2 a")


def test_a_word_pays_once_where_it_is_first_written():
    from fledge.world.grammar import Word

    w = Writer(Draw("t"), "en")
    _, bits = w.pick("abcd")
    word = Word("Mia", "name", bits)
    w.draw.choose("ab")
    w.say("{x} and {y}", x=word, y=word.like("her"))
    found, spans = w.finish()
    assert found == "Mia and her"
    assert [(span.tag, span.bits) for span in spans] == [("name", 2), ("template", 1), ("name", 0)]
