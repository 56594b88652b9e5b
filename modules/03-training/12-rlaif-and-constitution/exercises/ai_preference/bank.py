"""Wrong and right ways to make pairs of verdicts."""

from __future__ import annotations

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def pair(row, score):
    better, worse = ("a", "b") if score > 0.5 else ("b", "a")
    return {"prompt": row["prompt"], "chosen": row[better], "rejected": row[worse]}


def usable(row, score):
    return score is not None and score != 0.5 and row["a"].strip() != row["b"].strip()


@mistake(Text("chosen 和 rejected 反了。", "chosen and rejected are the wrong way round."))
def reversed_pair(rows, scores):
    return [pair(row, 1 - score) for row, score in zip(rows, scores) if usable(row, score)]


@mistake(Text("`if score` 把 0 也跳过了：0 表示 b 更好。", "`if score` skips 0 too: 0 says that b is better."))
def zero_skipped(rows, scores):
    return [pair(row, score) for row, score in zip(rows, scores) if score and usable(row, score)]


@mistake(Text("平局也放进去了，当成 b 更好。", "Ties are in it, as if b were better."))
def ties_kept(rows, scores):
    return [
        pair(row, score)
        for row, score in zip(rows, scores)
        if score is not None and row["a"].strip() != row["b"].strip()
    ]


@mistake(
    Text("没有结论的行当成了 b 更好：应当去掉。", "Rows without a verdict count as if b were better: leave them out.")
)
def none_as_zero(rows, scores):
    return [pair(row, score or 0.0) for row, score in zip(rows, scores) if usable(row, score or 0.0)]


@mistake(Text("两个回答相同的行没有去掉：它什么也教不了。", "Rows with equal answers stay in: they teach nothing."))
def equal_kept(rows, scores):
    return [pair(row, score) for row, score in zip(rows, scores) if score not in (None, 0.5)]


@mistake(
    Text(
        "比较前没有去掉空白：只差空白的两个回答也被留下了。",
        "White space was not taken off before the comparison: answers that differ in it alone are kept.",
    )
)
def compared_with_space(rows, scores):
    return [pair(row, score) for row, score in zip(rows, scores) if score not in (None, 0.5) and row["a"] != row["b"]]


@mistake(Text("只认 1 和 0：0.9 也表示 a 更好。", "Only 1 and 0 are known: 0.9 says that a is better too."))
def extremes_only(rows, scores):
    return [pair(row, score) for row, score in zip(rows, scores) if score in (0.0, 1.0) and usable(row, score)]


@mistake(Text("回答被去掉了空白：要原样放进去。", "White space was taken off the answers: they go in as they are."))
def answers_stripped(rows, scores):
    made = [pair(row, score) for row, score in zip(rows, scores) if usable(row, score)]
    return [{key: text.strip() for key, text in one.items()} for one in made]


@mistake(
    Text(
        "多余的字段也带上了：只要 prompt、chosen、rejected。",
        "Other fields came along: prompt, chosen and rejected only.",
    )
)
def other_fields(rows, scores):
    rest = [{key: value for key, value in row.items() if key not in ("a", "b")} for row in rows]
    return [more | pair(row, score) for row, more, score in zip(rows, rest, scores) if usable(row, score)]


@mistake(Text("你改动了输入的字典：要造新的。", "The dicts of the input were changed: make new ones."))
def inputs_changed(rows, scores):
    made = []
    for row, score in zip(rows, scores):
        if usable(row, score):
            made.append(pair(row, score))
            row.clear()
    return made


@variant
def by_comprehension(rows, scores):
    return [pair(row, score) for row, score in zip(rows, scores) if usable(row, score)]


@variant
def by_sorting(rows, scores):
    made = []
    for row, score in zip(rows, scores):
        if usable(row, score):
            worse, better = [text for _, text in sorted([(score, row["a"]), (1 - score, row["b"])])]
            made.append({"prompt": row["prompt"], "chosen": better, "rejected": worse})
    return made


@variant
def by_two_passes(rows, scores):
    decided = [(row, score > 0.5) for row, score in zip(rows, scores) if score is not None and abs(score - 0.5) > 0]
    return [
        {"prompt": row["prompt"], "chosen": row["a" if first else "b"], "rejected": row["b" if first else "a"]}
        for row, first in decided
        if row["a"].strip() != row["b"].strip()
    ]
