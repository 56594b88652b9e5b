"""What swap_judge must do. Oracle: verdicts by position in the text, both orders in a table."""

from __future__ import annotations

import torch

from fledge.course.grader.checking import Case, Text

TABLE = {"AB": 1.0, "BA": 0.0, "CC": 0.5}


def oracle(first: str, second: str) -> float | None:
    verdicts = ""
    for text in (first, second):
        places = {letter: text.rfind(f"[[{letter}]]") for letter in "ABC"}
        best = max(places, key=lambda letter: places[letter])
        if places[best] < 0:
            return None
        verdicts += best
    return TABLE.get(verdicts, 0.5)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, first: str, second: str, zh: str, en: str) -> Case:
        """None is judged by hand: the grader takes a None for a forgotten return."""
        want = oracle(first, second)

        def judge(got: object, args: tuple[object, ...]) -> Text | None:
            if got == want and type(got) is type(want):
                return None
            return Text(f"得到 {got!r}，应为 {want!r}。", f"got {got!r}, wanted {want!r}.")

        return Case(name, (first, second), judge=judge if want is None else None, about=Text(zh, en))

    pairs = [(a, b) for a in "ABC" for b in "ABC"]
    return [
        case("example", "1 is right. [[A]]", "2 is right. [[B]]", "题目里的例子", "the example of the task"),
        *[case(f"{a}{b}", f"[[{a}]]", f"[[{b}]]", f"两次分别是 {a} 和 {b}", f"{a}, then {b}") for a, b in pairs],
        case("changed_mind", "At first [[A]], but no: [[B]]", "[[A]] it is", "第一次改了主意", "it changes its mind"),
        case(
            "changed_back",
            "[[A]]",
            "[[A]] or rather [[C]], no, [[B]]",
            "第二次改了两次主意",
            "it changes its mind twice",
        ),
        case(
            "letters",
            "A good answer. B is short. [[B]]",
            "A and B differ. [[A]]",
            "正文里也有字母",
            "letters in the prose",
        ),
        case("lines", "Think.\n\n[[A]]\n", "Think\n[[B]].\n", "多行", "several lines"),
    ]
