"""Wrong and right ways to tell thoughts from an answer."""

from __future__ import annotations

import re

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(Text("没有结束标签时，半截思考被当成了回答。", "Without a closing tag half a thought has become the answer."))
def thought_as_answer(text):
    found = re.match(r"\s*<think>(.*?)</think>(.*)", text, re.S)
    return (found[1].strip(), found[2].strip()) if found else ("", text.strip().removeprefix("<think>").strip())


@mistake(
    Text(
        "没有结束标签时，整段文本（连标签）被当成了回答。",
        "Without a closing tag the whole text, tag included, has become the answer.",
    )
)
def text_as_answer(text):
    found = re.match(r"\s*<think>(.*?)</think>(.*)", text, re.S)
    return (found[1].strip(), found[2].strip()) if found else ("", text.strip())


@mistake(Text("你找的是最后一个 </think>：应当是第一个。", "You look for the last </think>: the first one counts."))
def last_tag(text):
    begun = text.strip()
    if not begun.startswith("<think>"):
        return "", begun
    thought, closed, answer = begun[7:].rpartition("</think>")
    return (thought.strip(), answer.strip()) if closed else (answer.strip(), "")


@mistake(
    Text(
        "“.” 不匹配换行（缺 re.S）：多行的思考找不到。",
        "The dot does not match line ends (no re.S): thoughts of several lines are not found.",
    )
)
def one_line_only(text):
    begun = text.strip()
    if not begun.startswith("<think>"):
        return "", begun
    found = re.match(r"<think>(.*?)</think>(.*)", begun)
    return (found[1].strip(), found[2].strip()) if found else (begun[7:].strip(), "")


@mistake(Text("不在开头的标签也被当成了思考。", "Tags that do not stand at the beginning are taken for thoughts."))
def anywhere(text):
    before, opened, rest = text.strip().partition("<think>")
    if not opened:
        return "", text.strip()
    thought, closed, answer = rest.partition("</think>")
    return thought.strip(), (before + answer).strip() if closed else ""


@mistake(
    Text(
        "回答里后来出现的标签也删掉了：第一个 </think> 以后要原样保留。",
        "Later tags in the answer are removed too: what follows the first </think> stays as it is.",
    )
)
def all_removed(text):
    begun = text.strip()
    if not begun.startswith("<think>"):
        return "", begun
    if "</think>" not in begun:
        return begun[7:].strip(), ""
    thought = begun[7:].partition("</think>")[0]
    return thought.strip(), re.sub(r"<think>.*?</think>", "", begun, flags=re.S).replace("</think>", "").strip()


@mistake(Text("结果没有去掉首尾空白。", "White space around the parts is left."))
def not_stripped(text):
    begun = text.strip()
    if not begun.startswith("<think>"):
        return "", begun
    thought, closed, answer = begun[7:].partition("</think>")
    return thought, answer if closed else ""


@mistake(
    Text(
        "两个结果的顺序反了：先思考，后回答。",
        "The two results are in the wrong order: thoughts first, then the answer.",
    )
)
def swapped(text):
    begun = text.strip()
    if not begun.startswith("<think>"):
        return begun, ""
    thought, closed, answer = begun[7:].partition("</think>")
    return (answer.strip() if closed else ""), thought.strip()


@mistake(Text("开头有空白时，没有认出 <think>。", "With white space before it, <think> is not recognised."))
def no_space_before(text):
    if not text.startswith("<think>"):
        return "", text.strip()
    thought, closed, answer = text[7:].partition("</think>")
    return thought.strip(), answer.strip() if closed else ""


@mistake(Text("标签留在思考里了。", "The tag is left in the thoughts."))
def tag_left(text):
    begun = text.strip()
    if not begun.startswith("<think>"):
        return "", begun
    thought, closed, answer = begun.partition("</think>")
    return thought.strip(), answer.strip() if closed else ""


@mistake(
    Text(
        "从思考里删掉了第二个 <think>：内容要原样保留。",
        "The second <think> is taken out of the thoughts: what they hold stays as it is.",
    )
)
def opening_tags_removed(text):
    begun = text.strip()
    if not begun.startswith("<think>"):
        return "", begun
    thought, closed, answer = begun.partition("</think>")
    return thought.replace("<think>", "").strip(), answer.strip() if closed else ""


@variant
def by_find(text):
    text = text.strip()
    if not text.startswith("<think>"):
        return "", text
    end = text.find("</think>")
    return (text[7:].strip(), "") if end < 0 else (text[7:end].strip(), text[end + 8 :].strip())


@variant
def by_split(text):
    head, *rest = text.strip().split("</think>", 1)
    if not head.startswith("<think>"):
        return "", text.strip()
    return head[len("<think>") :].strip(), rest[0].strip() if rest else ""


@variant
def by_regex(text):
    found = re.fullmatch(r"\s*<think>(.*?)(?:</think>(.*))?\s*", text, re.S)
    return (found[1].strip(), (found[2] or "").strip()) if found else ("", text.strip())
