"""What violates must do. Oracle: the rules one by one, on lower-case text (no case has a class that depends on case)."""

from __future__ import annotations

import re

import torch

from fledge.course.grader.checking import Case, Text


def oracle(text: str, rules: list[str]) -> list[int]:
    broken = []
    for number, rule in enumerate(rules):
        forbidden = rule[:1] == "!"
        pattern = rule[1:] if forbidden else rule
        there = any(True for _ in re.finditer(pattern, text, re.IGNORECASE))
        if there is forbidden:
            broken.append(number)
    return broken


def cases(rng: torch.Generator) -> list[Case]:
    n = int(torch.randint(10, 99, (1,), generator=rng))
    answer = "Sure, it costs 5 dollars."
    return [
        Case("example", (answer, ["dollars", "!sorry", "!sure"]), about=Text("题目里的例子", "the example of the task")),
        Case("nothing_broken", (answer, ["dollars", "!sorry"]), about=Text("没有违反", "nothing is broken")),
        Case("missing", ("No.", ["yes", "!no", "no"]), about=Text("少了该有的", "something is missing")),
        Case("in_the_middle", (f"The answer is {n} coins", [f"{n}", "!coins", "^the"]), about=Text("在文中间", "in the middle")),
        Case("anchored", ("no sorry", ["^sorry", "!^sorry", "sorry$"]), about=Text("位置固定的规则", "rules that are anchored")),
        Case("pattern", ("call 123-456", [r"\d{3}-\d{3}", r"!\d{3}-\d{3}", "!a.l"]), about=Text("正则式", "patterns")),
        Case("chinese", ("抱歉，我不知道。", ["!抱歉", "知道", "[0-9]"]), about=Text("中文", "Chinese")),
        Case("no_rules", (answer, []), about=Text("没有规则", "no rules")),
        Case("empty_text", ("", ["a", "!a", ""]), about=Text("空文本", "an empty text")),
        Case("same_rule_twice", ("b", ["a", "!b", "a"]), about=Text("同一条规则出现两次", "the same rule twice")),
        Case("exclamation", ("Hello, World", ["!o!", "o!"]), about=Text("规则里还有叹号", "another ! in a rule")),
    ]  # fmt: skip
