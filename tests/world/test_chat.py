"""Conversations, preferences, tool dialogues: the same bytes for the same seed, and true."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import pairwise

import pytest

from fledge.world import strangers
from fledge.world.calc import MAX_LENGTH, calculate, show
from fledge.world.chat import MIX, TOPICS, Conversations, conversations
from fledge.world.checks import names_in, not_known, passes
from fledge.world.draw import Draw
from fledge.world.facts import World
from fledge.world.instructions import KINDS, askable, instruction
from fledge.world.preferences import COST, preferences
from fledge.world.smalltalk import UNKNOWN
from fledge.world.tools import run_tool, schemas, tool_dialogues

WORLD = World.build("small")
ROWS = list(conversations(WORLD, 4000))


def test_rows_alternate_and_are_short():
    for row in ROWS:
        roles = [m["role"] for m in row["conversations"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2) and 2 <= len(roles) <= 6 * max(TOPICS)
        for message in row["conversations"]:
            assert message["content"].strip() == message["content"] != "" and len(message["content"]) <= 160
            assert "{s}" not in message["content"] and "{o" not in message["content"]


def test_every_kind_comes_as_often_as_the_mix_says_in_both_languages():
    kinds = Counter(kind for row in ROWS for kind in row["kind"].split("+"))
    topics = Counter(row["kind"].count("+") + 1 for row in ROWS)
    for count, share in TOPICS.items():
        assert abs(topics[count] / len(ROWS) - share / sum(TOPICS.values())) < 0.03
    assert sum(MIX.values()) == 100
    for kind, share in MIX.items():
        assert abs(kinds[kind] / sum(kinds.values()) - share / 100) < 0.03, kind
    assert 0.45 < sum(row["lang"] == "zh" for row in ROWS) / len(ROWS) < 0.55


def test_row_is_a_pure_function_of_its_index():
    backwards = Conversations(World.build("small"), 0)
    assert [backwards[i] for i in (3999, 17, 0)] == [ROWS[3999], ROWS[17], ROWS[0]]
    assert [row["conversations"] for row in conversations(WORLD, 20, seed=1)] != [r["conversations"] for r in ROWS[:20]]


def test_same_seed_same_bytes():
    world = World.build("tiny")
    made = [list(conversations(world, 200)), list(preferences(world, 50, noise=0.2)), list(tool_dialogues(world, 50))]
    text = json.dumps(made, ensure_ascii=False)
    assert (
        hashlib.sha256(text.encode("utf-8")).hexdigest()
        == "4bb2359efa5ec1b992e40d5a9d9b7593ad65888adcdf085c5233de53c7a8b2e6"
    )


@pytest.mark.parametrize("size", ["tiny", "small"])
@pytest.mark.parametrize("held_out", [False, True])
def test_instructions_are_kept_by_their_answer_and_broken_by_the_careless_one(size, held_out):
    world = World.build(size)
    for lang in ("zh", "en"):
        facts = askable(world, lang)
        for kind in KINDS:
            for n in range(60):
                made = instruction(world, Draw("test", n), lang, facts, kind=kind, held_out=held_out)
                assert passes(made.answer, made.spec), made
                assert not passes(made.careless, made.spec), made


def test_strangers_and_nobody_else_are_refused():
    known = {lang: [e.name(lang) for e in WORLD.of_kind("person")] for lang in ("zh", "en")}
    refused = 0
    for row in ROWS:
        texts = [m["content"] for m in row["conversations"]]
        for asked, said in zip(texts[::2], texts[1::2]):
            if not_known(said):
                refused += 1
                assert said in UNKNOWN[row["lang"]] and not names_in(asked, tuple(known[row["lang"]])), asked
    topics = sum(row["kind"].count("+") + 1 for row in ROWS)
    assert 0.9 < refused / topics / (MIX["unknown"] / 100) < 1.2  # and the odd second question


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_stranger_is_worth_remembering_or_anybody_known_or_kept(lang):
    draw = Draw("names", lang)
    made = [strangers.made_name(draw, WORLD, lang) for _ in range(5000)]
    assert len(set(made)) > 0.9 * len(made)
    kept = strangers.real_strangers(WORLD)
    assert not set(made) & {thing.name(lang) for thing in [*WORLD.entities.values(), *kept]}


def test_kept_strangers_are_nobody_and_of_both_genders():
    kept = strangers.real_strangers(WORLD)
    assert len(kept) >= 100 and {p.gender for p in kept} == {"f", "m"}
    names = {name for thing in WORLD.entities.values() for name in (thing.zh, thing.en)}
    assert not names & {name for p in kept for name in (p.zh, p.en)}


def test_preferences_put_the_better_answer_first_unless_flipped():
    rows = list(preferences(WORLD, 1500, noise=0.2))
    assert {row["axis"] for row in rows} == set(COST)
    assert 0.16 < sum(row["flipped"] for row in rows) / len(rows) < 0.24
    assert not any(row["flipped"] for row in preferences(WORLD, 200))
    for row in rows:
        chosen, rejected = row["chosen"], row["rejected"]
        assert chosen[0] == rejected[0] and chosen[1]["content"] != rejected[1]["content"]
        assert (row["utility"][0] < row["utility"][1]) == row["flipped"]
        assert row["utility"][0] != row["utility"][1]


def test_a_wrong_answer_differs_from_the_right_one_only_in_its_object():
    rows = [row for row in preferences(WORLD, 600) if row["axis"] == "truth" and row["utility"] == [1.0, 0.0]]
    assert len(rows) > 50
    for row in rows:
        right, wrong = row["chosen"][1]["content"], row["rejected"][1]["content"]
        assert right != wrong and (right[:2] == wrong[:2] or right.split()[-1] == wrong.split()[-1])


def test_tool_dialogues_hold_real_calls_and_end_with_what_the_tools_said():
    for row in tool_dialogues(WORLD, 300):
        system, *turns = row["conversations"]
        assert json.loads(system["tools"]) == schemas(row["lang"])
        results = []
        for call, result in pairwise(turns):
            if "tool_calls" in call:
                (made,) = json.loads(call["tool_calls"])
                assert call["content"] == "" and result["role"] == "tool"
                assert run_tool(WORLD, made["name"], made["arguments"], row["lang"]) == result["content"]
                results.append(json.loads(result["content"]))
        assert bool(results) == (row["kind"] != "none")
        assert all(("error" in result) == (row["kind"] == "missing") for result in results)
        if results and "result" in results[-1]:
            assert str(results[-1]["result"]) in turns[-1]["content"]


@pytest.mark.parametrize(
    "name, arguments, part",
    [
        ("calc", {"expression": "__import__('os')"}, "unexpected"),
        ("calc", {"expression": "1/0"}, "zero"),
        ("calc", {}, "argument"),
        ("price", {"food": "moon dust", "place": "Suncity"}, "no food"),
        ("where", {"person": "Tom", "time": "midnight"}, "time must be"),
        ("fly", {}, "no tool"),
    ],
)
def test_bad_tool_calls_are_answered_with_an_error(name, arguments, part):
    assert part in json.loads(run_tool(WORLD, name, arguments))["error"]


@pytest.mark.parametrize(
    "expression, value",
    [
        ("1+2*3", "7"),
        ("(1+2)*3", "9"),
        ("-4/3", "-1.3333"),
        ("2 × (3 − 1) ÷ 4", "1"),
        ("1.5*2", "3"),
        ("10-2-3", "5"),
        ("8/2/2", "2"),
        ("--2", "2"),
    ],
)
def test_calculate(expression, value):
    assert show(calculate(expression)) == value


@pytest.mark.parametrize("expression", ["", "1+", "(1", "1)", "1 2", "a", "1//2", "2**3", "*1", "(" * (MAX_LENGTH + 1)])
def test_calculate_refuses_what_is_not_arithmetic(expression):
    with pytest.raises(ValueError):
        calculate(expression)
