"""Quizzes: what is wrong with one is named, options are shuffled and judged; and those of the book are good."""

from __future__ import annotations

import pytest

from fledge.course import book
from fledge.course import quiz as quizzes
from fledge.course.quiz import arrange, judge, load, page, read_answer
from fledge.course.quiz_lint import lint
from fledge.errors import UserError
from tests.course.quizzes import both, good, item, single, store, topic

__all__ = ["topic"]


# Reading


def test_the_good_quiz_is_good(topic):
    quiz = load(topic)
    assert [i.kind for i in quiz.items] == ["single"] * 6 + ["multiple", "numeric", "order"]
    assert lint(quiz) == []


def broken(change):
    rows = good()
    change(rows)
    return rows


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda r: r[0].update(id="Not OK"), "item 1: 'id'"),
        (lambda r: r[0].update(kind="essay"), r"q0.*'kind' must be one of single"),
        (lambda r: r[0].update(qestion=1), "'qestion' that means nothing. Did you mean 'question'"),
        (lambda r: r[0].update(question={"zh": "只有中文"}), "both languages"),
        (lambda r: r[0]["question"].update(en="  "), "no text in 'en'"),
        (lambda r: r[0]["options"][1].pop("why"), "option 2: 'why'"),
        (lambda r: r[0]["options"][1].update(correct=True), "exactly one option must be correct, not 2"),
        (lambda r: r[0]["options"][0].pop("correct"), "exactly one option must be correct, not 0"),
        (lambda r: r[0]["options"][0].update(correct="yes"), "true or false"),
        (lambda r: r[0].update(options=r[0]["options"][:1]), "2 to 10 options"),
        (lambda r: [o.update(correct=True) for o in r[6]["options"]], "one wrong"),
        (lambda r: r[7].update(answer="two"), "'answer' must be a number"),
        (lambda r: r[7].update(traps=[]), "'traps' must be a list"),
        (lambda r: r[7]["traps"][0].update(value=2.005), "would be right"),
        (lambda r: r[8].update(items=[both("a"), both("b")]), "3 to 6 things"),
        (lambda r: r[8].pop("why"), "'why'"),
        (lambda r: r.clear(), "no list of items"),
        (lambda r: r.insert(0, "text"), "no list of `key: value` pairs"),
    ],
)
def test_a_mistake_in_the_file_is_named(topic, change, said):
    store(topic, broken(change))
    with pytest.raises(UserError, match=said):
        load(topic)


def test_no_file_and_no_yaml_are_sentences(topic):
    store(topic, "a: [1, 2\n")
    with pytest.raises(UserError, match=r"quiz\.yaml.*cannot be read"):
        load(topic)
    (topic.path / "quiz.yaml").unlink()
    assert not quizzes.has_quiz(topic)
    with pytest.raises(UserError, match="07-topic"):
        load(topic)


# What an author must mend


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda r: r.pop(8), "no item of kind 'order'"),
        (lambda r: r.pop(7), "no item of kind 'numeric'"),
        (lambda r: r.pop(6), "no item of kind 'multiple'"),
        (lambda r: [r.pop(0) for _ in range(2)], "only 7 items"),
        (lambda r: r[1].update(id="q0"), "two items are called 'q0'"),
        (lambda r: r[0]["options"][1].update(both("three")), "q0: two options say the same"),
        (lambda r: r[0]["options"][1].update(lab="exp9_none"), "q0: there is no lab 'exp9_none'"),
        (lambda r: r[0]["options"][1].update(lab="exp2_b"), "there is no lab 'exp2_b'"),
        (lambda r: r[0]["options"][0].update(lab="exp1_a"), "a right option names a lab"),
        (lambda r: [o.pop("lab", 0) for i in r[:5] for o in i["options"]], "only 5 of 15 wrong answers name the lab"),
        (
            lambda r: [r.__setitem__(n, single(f"q{n}", 1)) for n in range(3)],
            "4 of 6 right answers stand at position B",
        ),
        (
            lambda r: [r[n]["options"][n % 3].update(both("the longest of all the options")) for n in range(4)],
            "the right option is the longest in 5 of 6",
        ),
        (lambda r: r[0]["options"][1].update(zh="以上都对"), "speaks of the place"),
        (lambda r: r[0]["options"][1].update(en="All of the above"), "speaks of the place"),
    ],
)
def test_lint_finds(topic, change, said):
    store(topic, broken(change))
    problems = lint(load(topic))
    assert [problem for problem in problems if said in problem], problems


def test_one_language_alone_can_be_biased(topic):
    rows = good()
    for number in range(4):
        rows[number]["options"][number % 3]["en"] += ", which is a great deal longer"
    store(topic, rows)
    assert [problem for problem in lint(load(topic)) if "longest" in problem] == [
        "07-topic: in 'en' the right option is the longest in 5 of 6 items"
    ]


# Asking and judging


def test_options_are_shuffled_and_orders_never_shown_solved(topic):
    one, order = item(topic, "q0"), item(topic, "sequence")
    assert arrange(one, None) == [0, 1, 2]
    assert {tuple(arrange(one, seed)) for seed in range(60)} == {
        (a, b, c) for a in range(3) for b in range(3) for c in range(3) if len({a, b, c}) == 3
    }
    assert arrange(one, 7) == arrange(one, 7)
    for seed in [None, *range(60)]:
        assert sorted(arrange(order, seed)) == [0, 1, 2]
        assert arrange(order, seed) != [0, 1, 2]


@pytest.mark.parametrize(
    "name, shown, said, chosen",
    [
        ("q0", [2, 0, 1], "b", [0]),
        ("q0", [2, 0, 1], " Ｂ ", [0]),
        ("both", [3, 2, 1, 0], "bd", [0, 2]),
        ("both", [3, 2, 1, 0], "D、B", [0, 2]),
        ("both", [3, 2, 1, 0], "d, b", [0, 2]),
        ("number", [], "２．０", 2.0),
        ("number", [], "1/2", 0.5),
        ("number", [], "-1e-3", -0.001),
        ("sequence", [2, 0, 1], "b → c → a", [0, 1, 2]),
    ],
)
def test_answers_are_read(topic, name, shown, said, chosen):
    assert read_answer(item(topic, name), shown, said) == chosen


@pytest.mark.parametrize(
    "name, said",
    [("q0", ""), ("q0", "d"), ("q0", "ab"), ("q0", "1"), ("both", "aa"), ("number", "two"), ("number", "nan"),
     ("number", "1/0"), ("sequence", "ab"), ("sequence", "aab")],
)  # fmt: skip
def test_what_is_no_answer_is_one_sentence(topic, name, said):
    one = item(topic, name)
    with pytest.raises(UserError):
        read_answer(one, arrange(one, None), said)


def test_judging(topic, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    one, both_, number, order = (item(topic, name) for name in ("q0", "both", "number", "sequence"))
    right = judge(one, [0])
    assert (right.right, [str(why) for _, why in right.reasons], right.labs) == (True, ["why one"], ())
    wrong = judge(one, [2])
    assert (wrong.right, [str(why) for _, why in wrong.reasons]) == (False, ["why three", "why one"])
    assert wrong.labs == ("exp1_a",)
    assert judge(both_, [0, 2]).right
    assert not judge(both_, [0]).right and not judge(both_, [0, 1, 2]).right
    assert judge(both_, [0, 1, 2]).labs == ("exp1_a",)
    assert all(judge(number, value).right for value in (2.0, 1.99, 2.01))
    assert not judge(number, 2.011).right
    trapped, lost = judge(number, 4.0), judge(number, 7.0)
    assert ([str(why) for _, why in trapped.reasons], trapped.labs) == (["squared", "because 2"], ("exp1_a",))
    assert ([str(why) for _, why in lost.reasons], lost.labs) == (["because 2"], ())
    assert judge(order, [0, 1, 2]).right and not judge(order, [0, 2, 1]).right


# The page


def test_page(topic):
    quiz = load(topic)
    zh, en = page(quiz, "zh"), page(quiz, "en")
    assert zh.startswith("# 自测：主题\n") and en.startswith("# Quiz: A topic\n")
    for text in (zh, en):
        assert text.count("<details>") == text.count("</details>") == 9
        assert text.endswith("</details>\n") and "\n\n\n" not in text
    assert "- B. two\n" in en and "- B. 中two\n" in zh
    assert "<summary>Answer</summary>\n\n**A, C**\n" in en
    assert "**2**\n\nbecause 2\n\n- 4: squared\n" in en
    shown = arrange(item(topic, "sequence"), None)
    assert f"**{' → '.join('ABC'[shown.index(number)] for number in range(3))}**" in en
    assert "中" not in en.replace("中文", "")


# The book


TOPICS = [topic for topic in book.topics() if topic.tier in ("01-foundation", "02-architecture")]


def test_every_topic_has_a_quiz():
    assert [topic.name for topic in TOPICS if not quizzes.has_quiz(topic)] == []


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if quizzes.has_quiz(topic)], ids=lambda topic: topic.name)
class TestBook:
    def test_the_quiz_is_good(self, topic):
        assert lint(load(topic)) == []

    def test_every_item_can_be_answered(self, topic):
        for one in load(topic).items:
            right = one.answer if one.kind == "numeric" else one.correct
            assert judge(one, right).right
            for trap in one.traps:
                assert str(judge(one, trap.value).reasons[0][1]) == str(trap.why)
