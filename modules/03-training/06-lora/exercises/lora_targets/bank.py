"""Wrong and right ways to choose layers."""

from __future__ import annotations

import re

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def fits(name, pattern):
    return name == pattern or name.endswith("." + pattern)


@mistake(
    Text(
        "名字里含有这个词就选中了：“proj” 会选中所有层。",
        'A name that merely contains the word is chosen: "proj" takes every layer.',
    )
)
def contained(names, patterns):
    return [name for name in names if any(pattern in name for pattern in patterns)]


@mistake(
    Text(
        "结尾前面少了点：“q_proj” 也选中了 xq_proj。", 'The dot before the end is missing: "q_proj" takes xq_proj too.'
    )
)
def no_dot(names, patterns):
    return [name for name in names if any(name.endswith(pattern) for pattern in patterns)]


@mistake(
    Text(
        "只比了最后一段：带点的词（mlp.up_proj）选不中。",
        "Only the last part is compared: a word with dots (mlp.up_proj) chooses nothing.",
    )
)
def last_part_only(names, patterns):
    return [name for name in names if name.rpartition(".")[2] in patterns]


@mistake(
    Text(
        "全名等于这个词的层没有选中（比如 lm_head）。", "A layer whose whole name is the word (lm_head) is not chosen."
    )
)
def whole_name_missed(names, patterns):
    return [name for name in names if any(name.endswith("." + pattern) for pattern in patterns)]


@mistake(Text("只有全名相等才选中了。", "Only a name that equals the word is chosen."))
def whole_name_only(names, patterns):
    return [name for name in names if name in patterns]


@mistake(
    Text(
        "同一层出现了几次：几个词选中它，也只要一次。",
        "A layer appears several times: however many words choose it, once is enough.",
    )
)
def repeated(names, patterns):
    return [name for name in names for pattern in patterns if fits(name, pattern)]


@mistake(
    Text(
        "结果按词的顺序排了：应当按 names 的顺序。", "The result is in the order of the words: keep the order of names."
    )
)
def order_of_words(names, patterns):
    return list(dict.fromkeys(name for pattern in patterns for name in names if fits(name, pattern)))


@mistake(Text("返回的是最后一段：应当返回全名。", "The last parts are returned: return the full names."))
def last_parts(names, patterns):
    return [name.rpartition(".")[2] for name in names if any(fits(name, pattern) for pattern in patterns)]


@mistake(Text("大小写被忽略了：q_proj 和 Q_proj 是两层。", "Capitals are ignored: q_proj and Q_proj are two layers."))
def capitals_ignored(names, patterns):
    return [name for name in names if any(fits(name.lower(), pattern.lower()) for pattern in patterns)]


@mistake(
    Text(
        "词被当成了正则表达式：里面的点能代表任何字符。",
        "The word is taken as a regular expression, whose dots stand for anything.",
    )
)
def as_regex(names, patterns):
    return [name for name in names if any(re.search(rf"(^|\.){pattern}$", name) for pattern in patterns)]


@mistake(Text("要所有的词都选中才算：一个就够。", "Every word must choose the layer: one is enough."))
def all_words(names, patterns):
    return [name for name in names if all(fits(name, pattern) for pattern in patterns)]


@mistake(Text("返回的是没有被选中的层。", "The layers that are not chosen are returned."))
def the_others(names, patterns):
    return [name for name in names if not any(fits(name, pattern) for pattern in patterns)]


@variant
def by_suffix_tuple(names, patterns):
    ends = tuple("." + pattern for pattern in patterns)
    return [name for name in names if ("." + name).endswith(ends)]


@variant
def by_escaped_regex(names, patterns):
    if not patterns:
        return []
    wanted = re.compile(rf"(.*\.)?({'|'.join(map(re.escape, patterns))})")
    return [name for name in names if wanted.fullmatch(name)]


@variant
def by_loops(names, patterns):
    found = []
    for name in names:
        for pattern in patterns:
            if name == pattern or name[-len(pattern) - 1 :] == f".{pattern}":
                found.append(name)
                break
    return found
