"""What strip_think must do. Oracle: by positions, written out."""

from __future__ import annotations

import torch

from fledge.course.grader.checking import Case, Text


def oracle(text: str) -> tuple[str, str]:
    text = text.strip()
    if text[:7] != "<think>":
        return "", text
    end = text.find("</think>")
    if end < 0:
        return text[7:].strip(), ""
    return text[7:end].strip(), text[end + 8 :].strip()


def cases(rng: torch.Generator) -> list[Case]:
    a, b = (int(n) for n in torch.randint(2, 90, (2,), generator=rng))
    return [
        Case("example", ("<think>\n6×7\n</think>\n\n42",), about=Text("题目里的例子", "the example of the task")),
        Case("sum", (f"<think>\n{a} + {b}\n</think>\n\n{a + b}",), about=Text("一个加法", "a sum")),
        Case("no_thought", (f"  {a}。 ",), about=Text("没有思考", "no thoughts")),
        Case("never_closed", (f"<think>\n{a} + {b} is",), about=Text("没有结束标签", "no closing tag")),
        Case("empty_thought", (f"<think>\n\n</think>\n\n{b}",), about=Text("思考是空的", "empty thoughts")),
        Case("closed_twice", (f"<think>{a}</think>{b}</think> end",), about=Text("两个结束标签", "two closing tags")),
        Case("opened_twice", (f"<think>{a}<think>{b}</think>ok",), about=Text("两个开始标签", "two opening tags")),
        Case("in_the_middle", (f"I write <think>{a}</think> myself",), about=Text("标签在中间", "tags in the middle")),
        Case("later_thought", (f"<think>{a}</think>first <think>{b}</think> last",), about=Text("后面又有一段", "another pair")),
        Case("white_space", (f" \n<think> {a} </think>\t{b}\n",), about=Text("首尾有空白", "white space around")),
        Case("lines", (f"<think>\n{a}\n\n{b}\n</think>\nx\n\ny",), about=Text("多行", "several lines")),
        Case("nothing", ("",), about=Text("空文本", "an empty text")),
        Case("only_tags", ("<think></think>",), about=Text("只有标签", "tags only")),
    ]  # fmt: skip
