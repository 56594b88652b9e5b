"""What ai_preference must do. Oracle: row by row, as the task says it."""

from __future__ import annotations

import torch

from fledge.course.grader.checking import Case, Text


def oracle(rows: list[dict], scores: list[float | None]) -> list[dict]:
    found = []
    for number in range(len(rows)):
        row, score = rows[number], scores[number]
        decided = score is not None and score != 0.5 and row["a"].strip() != row["b"].strip()
        if decided and score > 0.5:
            found.append({"prompt": row["prompt"], "chosen": row["a"], "rejected": row["b"]})
        elif decided:
            found.append({"prompt": row["prompt"], "chosen": row["b"], "rejected": row["a"]})
    return found


def cases(rng: torch.Generator) -> list[Case]:
    def rows(count: int) -> list[dict]:
        numbers = torch.randint(0, 1000, (count, 3), generator=rng).tolist()
        return [{"prompt": f"q{n}?", "a": f"first {a}", "b": f"second {b}"} for n, a, b in numbers]

    same = {"prompt": "q?", "a": " yes\n", "b": "yes"}
    twins = {"prompt": "q?", "a": "no", "b": "no"}
    spaced = {"prompt": "p", "a": "  four ", "b": "five"}
    extra = {"prompt": "p", "a": "x", "b": "y", "id": 7}
    return [
        Case("example", ([{"prompt": "2+2?", "a": "5", "b": "4"}], [0.0]), about=Text("题目里的例子", "the example of the task")),
        Case("all_kinds", (rows(4), [1.0, 0.5, None, 0.0]), about=Text("四种分数", "the four kinds of score")),
        Case("shades", (rows(4), [0.51, 0.49, 0.9, 0.2]), about=Text("0 和 1 之间的分数", "scores between 0 and 1")),
        Case("equal_answers", ([same, *rows(1)], [1.0, 1.0]), about=Text("两个回答只差空白", "answers that differ in white space")),
        Case("twins", ([*rows(1), twins], [0.0, 0.0]), about=Text("两个回答完全相同", "two equal answers")),
        Case("spaces_stay", ([spaced], [1.0]), about=Text("回答里的空白要保留", "white space of an answer stays")),
        Case("undecided", (rows(3), [None, 0.5, None]), about=Text("全都没有结论", "nothing is decided")),
        Case("nothing", ([], []), about=Text("空列表", "empty lists")),
        Case("other_fields", ([extra], [0.0]), about=Text("行里还有别的字段", "a row with other fields")),
    ]  # fmt: skip
