"""Verifiable tasks and probes: right answers win, wrong ones lose, and held-out sets are exact."""

from __future__ import annotations

import functools
import re
from collections import Counter
from itertools import pairwise

import pytest

from fledge.world.chat import conversations
from fledge.world.facts import World
from fledge.world.probes import FAMILIES, Probe, grade, probes
from fledge.world.questions import all_questions, answer
from fledge.world.tasks import FAMILIES as TASK_FAMILIES
from fledge.world.tasks import reward, shortest_paths, tasks
from fledge.world.twohop import two_hop_questions

WORLD = World.build("small")
TASKS = list(tasks(WORLD, 1400))
FULL = {"truth": 1.0, "format": 1.0, "length": 1.0}


@functools.cache
def every_probe() -> list[Probe]:
    """All that there are of most families."""
    return probes(WORLD, per_family=3000)


def test_every_family_and_level_comes_in_both_languages():
    assert {(t["family"], t["level"], t["lang"]) for t in TASKS} == {
        (family, level, lang) for family in TASK_FAMILIES for level in range(1, 6) for lang in ("zh", "en")
    }
    assert list(tasks(World.build("small"), 5)) == TASKS[:5]


def test_the_right_answer_has_the_full_reward_and_no_answer_has_none_of_it():
    for task in TASKS:
        assert all(reward(task, truth) == FULL for truth in task["gt"]), task
        assert reward(task, "") == {"truth": 0.0, "format": 0.0, "length": 0.0}
        assert task["conversations"][-1] == {"role": "assistant", "content": ""}


def _solve(family: str, prompt: str) -> str | None:
    """A second way to the answer, read off the prompt."""
    body = re.split(r"[：？]|: |\? ", prompt)[-1]
    items = re.split(r"、|, ", body)
    joint = "、" if "、" in body else ", "
    if family == "copy":
        return body
    if family == "reverse":
        return joint.join(reversed(items))
    if family == "sort":
        return joint.join(sorted(items, key=int))
    if family == "count":
        word = re.search(r"[“\"](.+?)[”\"]", prompt)
        return str(items.count(word[1])) if word else None
    return str(sum(map(int, re.findall(r"\d+", prompt)))) if family == "sum" else None


def test_ground_truth_agrees_with_a_second_solution():
    solved = Counter()
    for task in TASKS:
        right = _solve(task["family"], task["conversations"][0]["content"])
        if right is not None:
            solved[task["family"]] += 1
            assert task["gt"] == [right], task
    assert len(solved) == 5 and min(solved.values()) > 100


def test_harder_levels_carry_more():
    for task in TASKS:
        if task["family"] == "sum":
            a, b, *rest = (int(n) for n in re.findall(r"\d+", task["conversations"][0]["content"]))
            assert bool(rest) == (task["level"] == 5)
            if task["level"] in (3, 4):
                assert (a % 10 + b % 10 >= 10) == (task["level"] == 4)
            assert not WORLD.held_out_sum(a, b)


def test_all_shortest_ways_and_no_other_are_accepted():
    for task in TASKS:
        if task["family"] == "path":
            for truth in task["gt"]:
                ids = [
                    next(e.id for e in WORLD.of_kind("place") if name in (e.zh, e.en))
                    for name in re.split("、|, ", truth)
                ]
                assert all(there in WORLD.neighbours(here).values() for here, there in pairwise(ids))
                assert len(ids) == len(WORLD.path(ids[0], ids[-1]))
    a, b = (place.id for place in WORLD.of_kind("place")[:2])
    assert len(set(map(tuple, shortest_paths(WORLD, a, b)))) == len(shortest_paths(WORLD, a, b))


SUM = {"gt": ["15"], "family": "sum", "level": 2, "lang": "en"}
WAY = {"gt": ["Suncity, Seaport"], "family": "path", "level": 1, "lang": "en"}
HOP = {"gt": ["baker"], "family": "two_hop", "level": 1, "lang": "en"}


@pytest.mark.parametrize(
    "task, answer_, truth, form, short",
    [
        (SUM, "15", 1, 1, 1), (SUM, "15.", 1, 1, 1), (SUM, "16", 0, 1, 1), (SUM, "115", 0, 1, 1),
        (SUM, "It is 15", 1, 0, 1), (SUM, "13, 14, 15, 16", 1, 0, 0.9), (SUM, "1 " * 40 + "15", 1, 0, 0),
        (WAY, "suncity, seaport", 1, 1, 1), (WAY, "Seaport, Suncity", 0, 1, 1), (WAY, "Suncity, Seaport, Oldmill", 1, 0, 0.9),
        (HOP, "She is a baker.", 1, 1, 1), (HOP, "She is a bakery.", 0, 1, 1), (HOP, "Baker. Or cook.", 1, 0, 1),
    ],
)  # fmt: skip
def test_parts_of_the_reward(task, answer_, truth, form, short):
    parts = reward(task, answer_)
    assert (parts["truth"], parts["format"]) == (truth, form)
    assert parts["length"] == short or (0 < short < 1 and 0 < parts["length"] < 1)


def test_probe_families_are_all_there_with_chances():
    found = every_probe()
    counts = Counter(probe.family for probe in found)
    assert set(counts) == set(FAMILIES) and min(counts.values()) >= 20
    assert len({probe.id for probe in found}) == len(found)
    assert all(0 <= probe.chance <= 1 / 3 for probe in found)
    assert all((probe.chance == 0) == (probe.check is not None) for probe in found)
    few = probes(WORLD, per_family=10)
    assert len(few) == 10 * len(FAMILIES) and few == probes(World.build("small"), per_family=10)


HELD_OUT = (
    "fact_heldout_form",
    "fact_unasked",
    "fact_cross_language",
    "two_hop",
    "arithmetic_heldout",
    "unknown",
    "format",
)


def test_no_held_out_probe_appears_in_conversations():
    """Exact: over 20,000 conversations, no user turn asks what a held-out probe asks."""
    turns = {m["content"] for row in conversations(WORLD, 20_000) for m in row["conversations"] if m["role"] == "user"}
    asked = "\n".join(sorted(turns))
    for probe in every_probe():
        if probe.family in HELD_OUT:
            assert probe.messages[0]["content"] not in turns, probe
            if probe.family not in (
                "format",
                "arithmetic_heldout",
            ):  # these may end in a question that is asked elsewhere
                assert probe.messages[0]["content"] not in asked, probe
    seen = [probe for probe in every_probe() if probe.family == "fact_seen_form"]
    assert sum(probe.messages[0]["content"] in turns for probe in seen) > 0.9 * len(seen)


def test_no_unasked_or_foreign_fact_is_told_in_conversations():
    told = {
        m["content"] for row in conversations(WORLD, 20_000) for m in row["conversations"] if m["role"] == "assistant"
    }
    for fact in WORLD.facts:
        for lang in ("zh", "en"):
            if not fact.asked or lang not in fact.languages:
                assert not told & {answer(WORLD, fact, lang, variant) for variant in (0, 1)}, fact


def test_two_hop_tasks_and_probes_are_disjoint():
    for lang in ("zh", "en"):
        kept, free = ({hop.text for hop in two_hop_questions(WORLD, lang, held_out=h)} for h in (True, False))
        assert len(kept) > 50 < len(free) and not kept & free


def test_true_answers_are_graded_right_and_other_objects_wrong():
    for fact in WORLD.facts:
        for lang in ("zh", "en"):
            asked = next(all_questions(WORLD, fact, lang, False))
            for probe in (
                p for p in every_probe() if p.messages[0]["content"] == asked and p.family.startswith("fact")
            ):
                assert grade(probe, answer(WORLD, fact, lang, 0)) and grade(probe, answer(WORLD, fact, lang, 1)), probe
                wrong = [
                    f
                    for f in WORLD.facts
                    if f.relation == fact.relation and f.object not in (fact.object, fact.subject)
                ]
                for other in wrong[:5]:
                    assert not grade(probe, answer(WORLD, other, lang)), (probe, other)


def _probe(asked: str, answers: tuple[str, ...], rivals: tuple[str, ...] = (), check: dict | None = None) -> Probe:
    return Probe("x", "test", "zh", ({"role": "user", "content": asked},), answers, 0.1, check, rivals)


@pytest.mark.parametrize(
    "probe, right, wrong",
    [
        (_probe("谁怕熊？", ("熊猫",), ("熊", "猫")), ["熊猫。", "是熊猫，不是熊。"],
         ["熊。", "猫。", "熊猫和猫。", "", "我不知道是不是熊猫。"]),
        (_probe("Pet?", ("cat", "cats"), ("ant", "ants", "dog")), ["A cat.", "Cats."], ["An ant.", "cat or dog", "catfish"]),
        (_probe("生日在几月？", ("一月",), ("十一月", "二月", "January")), ["一月"], ["十一月", "一月或二月", "January 一月"]),
        (_probe("3加5等于几？", ("8",)), ["8", "3加5等于8。", "3 + 5 = 8"], ["18", "8.5", "7或8", "8 9", "八", ""]),
        (_probe("4 + 4?", ("8",)), ["4 + 4 = 8", "8"], ["4 + 4 = 4", "4"]),
        (_probe("Legs?", ("4",)), ["It has 4 legs."], ["It has 2 legs.", "2 or 4", "40"]),
        (_probe("Where is Bob?", (), ("Suncity",), {"check": "not_known"}), ["I don't know Bob."],
         ["Bob is in Suncity.", "I don't know, perhaps Suncity.", ""]),
    ],
)  # fmt: skip
def test_grade_is_strict(probe, right, wrong):
    assert [text for text in right if not grade(probe, text)] == []
    assert [text for text in wrong if grade(probe, text)] == []
