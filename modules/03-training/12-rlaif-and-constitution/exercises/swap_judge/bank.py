"""Wrong and right ways to read a judge that was asked twice."""

from __future__ import annotations

import re

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text

ONE = {"A": 1.0, "B": 0.0, "C": 0.5}
OTHER = {"A": 0.0, "B": 1.0, "C": 0.5}


def last(text):
    found = re.findall(r"\[\[([ABC])\]\]", text)
    return found[-1] if found else None


@mistake(
    Text(
        "第二次的 A、B 没有互换：那时回答 1 排在后面。",
        "A and B of the second text are not swapped: answer 1 stood second there.",
    )
)
def not_swapped(first, second):
    a, b = last(first), last(second)
    if a is None or b is None:
        return None
    return ONE[a] if a == b else 0.5


@mistake(Text("只看了第一次。", "Only the first text is read."))
def first_only(first, second):
    return None if last(first) is None or last(second) is None else ONE[last(first)]


@mistake(
    Text(
        "两次取了平均：不一致时要 0.5，胜和平也算不一致。",
        "The mean of both: a win and a tie disagree as well, and that is 0.5.",
    )
)
def averaged(first, second):
    a, b = last(first), last(second)
    return None if a is None or b is None else (ONE[a] + OTHER[b]) / 2


@mistake(
    Text(
        "取了第一个结论：评审可能会改主意，最后一个才算。",
        "The first verdict is taken: a judge may change its mind, the last one counts.",
    )
)
def first_mark(first, second):
    marks = [re.findall(r"\[\[([ABC])\]\]", text) for text in (first, second)]
    if not all(marks):
        return None
    one, other = ONE[marks[0][0]], OTHER[marks[1][0]]
    return one if one == other else 0.5


@mistake(Text("结果反了：1 表示回答 1 更好。", "The result is upside down: 1 says that answer 1 is better."))
def upside_down(first, second):
    a, b = last(first), last(second)
    if a is None or b is None:
        return None
    one, other = 1 - ONE[a], 1 - OTHER[b]
    return one if one == other else 0.5


@mistake(
    Text(
        "没有要求双括号：正文里的字母 A、B 也被当成了结论。",
        "The brackets are not asked for: letters of the prose are taken for verdicts.",
    )
)
def bare_letters(first, second):
    marks = [re.findall(r"\b([ABC])\b", text) for text in (first, second)]
    if not all(marks):
        return None
    one, other = ONE[marks[0][0]], OTHER[marks[1][0]]
    return one if one == other else 0.5


@mistake(Text("平局 [[C]] 没有处理，被当成了没有结论。", "A tie, [[C]], is taken for no verdict."))
def no_ties(first, second):
    found = [re.findall(r"\[\[([AB])\]\]", text) for text in (first, second)]
    if not all(found):
        return 0.5 if all(last(text) for text in (first, second)) and last(first) == last(second) == "A" else None
    one, other = ONE[found[0][-1]], OTHER[found[1][-1]]
    return one if one == other else 0.5


@mistake(Text("返回了整数 1 和 0 的布尔值：要 float。", "It returns True and False: a float is asked for."))
def booleans(first, second):
    a, b = last(first), last(second)
    if a is None or b is None:
        return None
    return a == "A" and b == "B" if ONE[a] == OTHER[b] and a != "C" else 0.5


@variant
def by_table(first, second):
    a, b = last(first), last(second)
    return None if a is None or b is None else {("A", "B"): 1.0, ("B", "A"): 0.0}.get((a, b), 0.5)


@variant
def by_search(first, second):
    found = [re.search(r".*\[\[([ABC])\]\]", text, re.S) for text in (first, second)]
    if None in found:
        return None
    one, other = found[0][1], {"A": "B", "B": "A", "C": "C"}[found[1][1]]
    return ONE[one] if one == other else 0.5


@variant
def by_position(first, second):
    scores = []
    for text, values in ((first, ONE), (second, OTHER)):
        places = [(text.rfind(f"[[{letter}]]"), letter) for letter in "ABC"]
        place, letter = max(places)
        if place < 0:
            return None
        scores.append(values[letter])
    return scores[0] if scores[0] == scores[1] else 0.5
