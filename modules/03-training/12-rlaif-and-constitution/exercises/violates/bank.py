"""Wrong and right ways to check a text against rules."""

from __future__ import annotations

import re

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def there(rule, text):
    return re.search(rule, text, re.IGNORECASE) is not None


@mistake(
    Text("你返回的是遵守了的规则，不是违反了的。", "These are the rules that are kept, not those that are broken.")
)
def kept(text, rules):
    return [n for n, rule in enumerate(rules) if there(rule.removeprefix("!"), text) != rule.startswith("!")]


@mistake(Text("没有处理“!”：它被当成了要找的字符。", "The ! is not seen: it is taken for a character to look for."))
def no_negation(text, rules):
    return [n for n, rule in enumerate(rules) if not there(rule, text)]


@mistake(Text("大小写没有忽略。", "Upper and lower case are told apart."))
def case_matters(text, rules):
    return [
        n
        for n, rule in enumerate(rules)
        if (re.search(rule.removeprefix("!"), text) is not None) == rule.startswith("!")
    ]


@mistake(Text("用了 re.match：它只看文本的开头。", "re.match looks at the beginning of the text only."))
def at_the_beginning(text, rules):
    return [
        n
        for n, rule in enumerate(rules)
        if (re.match(rule.removeprefix("!"), text, re.IGNORECASE) is not None) == rule.startswith("!")
    ]


@mistake(
    Text(
        "规则被当成了普通文字（in），不是正则表达式。",
        "The rules are taken for plain words (in), not for regular expressions.",
    )
)
def plain_words(text, rules):
    return [
        n for n, rule in enumerate(rules) if (rule.removeprefix("!").lower() in text.lower()) == rule.startswith("!")
    ]


@mistake(Text("编号从 1 开始了：应当从 0 开始。", "The numbers begin at 1: they begin at 0."))
def from_one(text, rules):
    return [n for n, rule in enumerate(rules, 1) if there(rule.removeprefix("!"), text) == rule.startswith("!")]


@mistake(Text("找到一条违反的就停了：要全部。", "It stops at the first broken rule: all are asked for."))
def first_only(text, rules):
    return [n for n, rule in enumerate(rules) if there(rule.removeprefix("!"), text) == rule.startswith("!")][:1]


@mistake(Text("返回的是规则本身，不是编号。", "These are the rules themselves, not their numbers."))
def rules_themselves(text, rules):
    return [rule for rule in rules if there(rule.removeprefix("!"), text) == rule.startswith("!")]


@mistake(
    Text(
        "用 rules.index 找编号：同一条规则出现两次时，第二次的编号错了。",
        "The number comes from rules.index: a rule that occurs twice gets the first number twice.",
    )
)
def by_index(text, rules):
    return [rules.index(rule) for rule in rules if there(rule.removeprefix("!"), text) == rule.startswith("!")]


@mistake(
    Text(
        "去掉了规则里所有的叹号：只有开头的那个表示“不能有”。",
        "Every ! of a rule is taken away: only the first one forbids.",
    )
)
def all_exclamations(text, rules):
    return [n for n, rule in enumerate(rules) if there(rule.replace("!", ""), text) == rule.startswith("!")]


@variant
def by_comprehension(text, rules):
    return [n for n, rule in enumerate(rules) if there(rule.removeprefix("!"), text) == rule.startswith("!")]


@variant
def by_cases(text, rules):
    broken = []
    for n in range(len(rules)):
        if rules[n].startswith("!"):
            if re.findall(rules[n][1:], text, re.I):
                broken.append(n)
        elif not re.findall(rules[n], text, re.I):
            broken.append(n)
    return broken


@variant
def by_compiled(text, rules):
    parts = [re.compile(rule.lstrip("!") if rule[:1] == "!" else rule, re.I) for rule in rules]
    return [n for n, part in enumerate(parts) if bool(part.search(text)) is (rules[n][:1] == "!")]
