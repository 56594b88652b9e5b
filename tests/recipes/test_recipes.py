"""Recipes: rows from files and from the world, marks that are right, and one command from rows to a measured model."""

from __future__ import annotations

import json

import pytest

from fledge.cli import main
from fledge.data.rows import parse
from fledge.jobs.settings import job_config
from fledge.lang import Text
from fledge.recipes import find_recipe, names, rows_of_file, split
from fledge.recipes.made import MAKERS
from fledge.recipes.measures import MEASURES
from fledge.records import Run
from fledge.world import World
from tests.jobs.test_fit import pretrain, tokenizer  # noqa: F401 (a fixture)


@pytest.mark.parametrize("name", names())
def test_a_recipe_is_whole(name):
    recipe = find_recipe(name)
    assert isinstance(recipe.about, Text) and recipe.about.zh != recipe.about.en
    assert recipe.measure in MEASURES and bool(recipe.world) != bool(recipe.question and recipe.answer)
    assert not recipe.world or recipe.world in MAKERS
    job_config("sft", model="m", **recipe.settings).check()


def file(tmp_path, *rows) -> str:
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return str(path)


def test_rows_are_templates_with_the_file_s_columns(tmp_path):
    path = tmp_path / "bank.csv"
    path.write_text('text,category\nWhere is my card?,card_arrival\n"Lost, help",lost_card\n', encoding="utf-8")
    rows = rows_of_file(find_recipe("classification"), str(path), {})
    said = [[turn["content"] for turn in row["conversations"]] for row in rows]
    assert said == [
        ["Which topic is this about? Where is my card?", "card_arrival"],
        ["Which topic is this about? Lost, help", "lost_card"],
    ]
    assert all(parse(row, "chat") for row in rows)


def test_slots_in_the_file_are_filled(tmp_path):
    path = file(tmp_path, {"instruction": "hi", "output": "I am {{name}}, made by {{author}}."})
    (row,) = rows_of_file(find_recipe("identity"), path, {"name": "Robin", "author": "Ann {{name}}"})
    assert row["conversations"][1]["content"] == "I am Robin, made by Ann {{name}}."


def test_what_cannot_work_is_one_sentence(tmp_path, capsys):
    path = file(tmp_path, {"title": "x", "label": "y"})
    for words, sentence in [
        (["clasification"], "there is no recipe 'clasification'"),
        (["classification"], "needs a file: give it with --data"),
        (["classification", "--data", path], "(line 1: it has title, label, and not category, text)"),
        (
            ["novel", "--data", file(tmp_path / "short", {"text": "It was late. " * 60})],
            "3 rows are too few to hold some",
        ),
        (["sql", "--data", path], "makes its own rows: leave --data out"),
        (["identity", "--data", path, "--fill", "nmae=x"], "has the names name, author"),
    ]:
        assert main(["recipe", "run", *words, "--model", "nobody"]) == 2
        assert sentence in capsys.readouterr().err


def test_the_held_out_rows_are_not_trained_on():
    rows = [{"conversations": [{"role": "user", "content": f"q{n % 40}"}]} for n in range(100)]
    train, held = split(rows)
    asked = [{row["conversations"][0]["content"] for row in part} for part in (train, held)]
    assert len(held) == 10 and not asked[0] & asked[1]


@pytest.mark.parametrize("maker", MAKERS)
def test_the_world_s_own_answers_are_right(maker):
    rows = MAKERS[maker](World.build("small", 0))
    measure = next(MEASURES[recipe.measure] for recipe in map(find_recipe, names()) if recipe.world == maker)
    said = {tuple(turn["content"] for turn in row["conversations"]) for row in rows}
    assert len(rows) > 180 and len({question for question, _ in said}) == len(said)  # one answer to a question
    for row in rows[:200]:
        wanted = row["conversations"][1]["content"]
        assert measure(wanted, wanted) == 1.0
    assert measure("…", rows[0]["conversations"][1]["content"]) == 0.0


@pytest.mark.parametrize(
    ("measure", "answer", "wanted", "mark"),
    [
        ("exact", "Card arrival!", "card_arrival", 1.0),
        ("exact", "card arrival soon", "card_arrival", 0.0),
        ("overlap", "a c", "a b c", 0.8),
        ("entities", 'Sure: {"people": ["Mia"], "places": ["Bath"]}', '{"people": ["Mia"]}', 2 / 3),
        ("entities", "Mia", '{"people": ["Mia"]}', 0.0),
        ("entities", "[" * 5000, '{"people": ["Mia"]}', 0.0),
        ("sql", "select OBJECT from facts where relation='home' and subject='Mia'",
         "SELECT object FROM facts WHERE subject = 'Mia' AND relation = 'home'", 1.0),
        ("service", "3 apples cost 12 coins. Can I help you with anything else?",
         "3 apples cost 12 coins. Can I help you with anything else?", 1.0),
        ("service", "3 apples cost 12 coins.", "3 apples cost 12 coins. Can I help you with anything else?", 0.5),
        ("service", "3 apples cost 13 coins. Can I help you with anything else?",
         "3 apples cost 12 coins. Can I help you with anything else?", 0.0),
        ("sql", "DROP TABLE facts", "SELECT 1", 0.0),
        ("sql", "SELECT nonsense", "SELECT nonsense", 0.0),
        ("sql", "SELECT length(zeroblob(900000000))", "SELECT 900000000", 0.0),  # a gigabyte in one step
        ("sql", "SELECT count(*) FROM facts WHERE subject LIKE 'M%'", "select COUNT(subject) FROM facts where subject like 'M%'",
         1.0),
        ("sql", "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n", "SELECT 1", 0.0),
        ("sql", "SELECT COUNT(*) FROM facts a, facts b, facts c, facts d, facts e", "SELECT 1", 0.0),
    ],
)  # fmt: skip
def test_marks(measure, answer, wanted, mark):
    assert MEASURES[measure](answer, wanted) == pytest.approx(mark)


@pytest.mark.slow  # starts the process of a learner's code
def test_a_program_counts_by_what_it_returns_and_can_do_no_harm(tmp_path):
    mark, wanted = MEASURES["code"], "def f(n):\n    return 3 * n + 2"
    assert mark("```python\ndef f(n):\n    return n + n + n + 2\n```", wanted) == 1.0
    assert mark("def f(n):\n    return 3 * n", wanted) == mark("def g(n):\n    return 3 * n + 2", wanted) == 0.0
    assert mark("def f(n)", wanted) == mark("", wanted) == mark("def f(n):\n    return 1 / 0", wanted) == 0.0
    there = tmp_path / "written"
    harm = f"import os\nopen({str(there)!r}, 'w').write('x')\ndef f(n):\n    return 3 * n + 2"
    assert mark(harm, wanted) == 0.0 and not there.exists()
    assert mark("import os\nos.system('true')\ndef f(n):\n    return 3 * n + 2", wanted) == 0.0
    assert mark("def f(n):\n    while True:\n        pass", wanted) == 0.0
    assert mark(wanted, wanted) == 1.0  # after one that was ended


def test_a_novel_is_cut_into_passages_that_follow_one_another(tmp_path):
    text = " ".join(f"word{n}" for n in range(400))
    (tmp_path / "novel.txt").write_text(text, encoding="utf-8")
    rows = rows_of_file(find_recipe("novel"), str(tmp_path / "novel.txt"), {})
    said = [[turn["content"] for turn in row["conversations"]] for row in rows]
    assert len(rows) > 8 and all(question.startswith("续写 / Go on: word") for question, _ in said)
    question, answer = said[0]
    assert f"{question.removeprefix('续写 / Go on: ')} {answer}" in text and 100 < len(answer) < 170


def test_a_query_can_change_nothing():
    before = "SELECT COUNT(*) FROM facts"
    for query in ("DELETE FROM facts", "SELECT 1; DELETE FROM facts", "select * from facts; drop table facts"):
        assert MEASURES["sql"](query, "SELECT 1") == 0.0
    assert MEASURES["sql"](before, before) == 1.0


def test_one_command_makes_trains_and_measures(tokenizer, tmp_path, capsys):  # noqa: F811
    base = pretrain(tokenizer, run="base", steps=2)
    path = file(tmp_path, *[{"text": f"red cat {n}", "category": "cat"} for n in range(40)])
    words = ["recipe", "run", "classification", "--model", base.name, "--data", path, "--run", "made", "--steps", "3"]
    capsys.readouterr()
    assert main([*words, "--json", "--questions", "4"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["questions"] == 4 and 0 <= result["before"] <= 1 and 0 <= result["after"] <= 1
    info = Run.open("made").info
    assert info["results"]["recipe"] == result and info["config"]["steps"] == 3
