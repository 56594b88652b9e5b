"""Question and answer forms: enough of them, different, filled completely, and true."""

from __future__ import annotations

import re

import pytest

from fledge.world.facts import RELATIONS, World
from fledge.world.questions import all_questions, answer, forms, question, short_answer, spoken, with_article

WORLD = World.build("small")
TINY = World.build("tiny")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("relation", RELATIONS)
def test_every_relation_has_enough_different_forms(relation, lang):
    found = forms(relation, lang)
    assert len(set(found.seen)) >= 4 and len(set(found.held_out)) >= 2 and len(set(found.seen + found.held_out)) >= 6
    assert not set(found.seen) & set(found.held_out)
    assert len(found.answers) == 2 and found.follow


def test_a_held_out_question_is_never_also_a_seen_question():
    seen = {q for fact in WORLD.facts for lang in ("zh", "en") for q in all_questions(WORLD, fact, lang, False)}
    held = {q for fact in WORLD.facts for lang in ("zh", "en") for q in all_questions(WORLD, fact, lang, True)}
    assert len(seen) > 3000 and not seen & held


def test_questions_and_answers_hold_subject_and_object_and_no_slot():
    for fact in WORLD.facts:
        for lang in ("zh", "en"):
            subject = WORLD.entities[fact.subject]
            names = (subject.zh,) if lang == "zh" else tuple(n.casefold() for n in (subject.en, subject.many) if n)
            questions = [*all_questions(WORLD, fact, lang, False), *all_questions(WORLD, fact, lang, True)]
            for variant in (0, 1):
                said = answer(WORLD, fact, lang, variant)
                assert any(name in said.casefold() for name in names), said
                assert any(name.casefold() in said.casefold() for name in spoken(WORLD, fact, lang)), said
                assert not re.search(r"[{}]", said) and said.endswith("。" if lang == "zh" else ".")
            for asked in questions:
                assert any(name in asked.casefold() for name in names), asked
                assert not re.search(r"[{}]", asked) and re.search(r"[？?.]$", asked)
                assert (asked + said).isascii() == (lang == "en")


def test_english_grammar_of_known_cases():
    assert (with_article("onion"), with_article("pear")) == ("an onion", "a pear")
    banana = next(e for e in WORLD.of_kind("food") if e.en == "banana")
    fact = WORLD.fact("banana", "price")
    assert question(WORLD, banana, "price", "en", "How much is {a}?") == "How much is a banana?"
    assert answer(WORLD, fact, "en") == f"Bananas cost {fact.object} coins each."
    assert answer(WORLD, fact, "zh") == f"香蕉每根卖{fact.object}枚金币。"
    assert short_answer(WORLD, fact, "en") == f"{fact.object} coins."


@pytest.mark.parametrize(
    "relation, words",
    [("spouse", ("丈夫", "妻子", "husband", "wife")), ("older", ("哥哥", "姐姐", "brother", "sister"))],
)
def test_family_words_follow_the_relative(relation, words):
    for fact in WORLD.facts:
        if fact.relation == relation:
            man = WORLD.entities[fact.object].gender == "m"
            assert (words[0] if man else words[1]) in answer(WORLD, fact, "zh")
            assert (words[2] if man else words[3]) in answer(WORLD, fact, "en")


def test_pronouns_follow_the_subject():
    for fact in TINY.facts:
        if RELATIONS[fact.relation].subject == "person":
            person = TINY.entities[fact.subject]
            asked = question(TINY, person, fact.relation, "zh", forms(fact.relation, "zh").follow[0])
            assert asked.startswith("她" if person.gender == "f" else "他")
