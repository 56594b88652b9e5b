"""What makes a quiz worth less: answers that a pattern gives away, kinds that are missing, labs that are not there."""

from __future__ import annotations

import re
from collections.abc import Callable

from fledge.course.quiz import LETTERS, Quiz
from fledge.lang import say


def lint(quiz: Quiz) -> list[str]:
    """Everything that its author must mend, one sentence each."""
    checks: tuple[Callable[[Quiz], list[str]], ...] = (_enough, _unique, _refuted, _spread, _longest, _independent)
    name = quiz.topic.name
    return [say(f"{name}：{problem}", f"{name}: {problem}") for check in checks for problem in check(quiz)]


def _enough(quiz: Quiz) -> list[str]:
    kinds = [item.kind for item in quiz.items]
    problems = [
        say(f"没有 '{kind}' 类型的题", f"no item of kind '{kind}'")
        for kind in ("single", "multiple", "numeric", "order")
        if kind not in kinds
    ]
    if len(kinds) < 8:
        problems.append(say(f"只有 {len(kinds)} 道题，一个主题要有 8 道", f"only {len(kinds)} items; a topic needs 8"))
    return problems


def _unique(quiz: Quiz) -> list[str]:
    ids = [item.id for item in quiz.items]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    problems = [say(f"有两道题都叫 '{name}'", f"two items are called '{name}'") for name in twice]
    for item in quiz.items:
        for texts in ([o.text.zh for o in item.options], [o.text.en for o in item.options]):
            if len(set(texts)) < len(texts):
                problems.append(say(f"{item.id}：有两个选项一样", f"{item.id}: two options say the same"))
    return problems


def _refuted(quiz: Quiz) -> list[str]:
    """Labs that are named must be there, and at least half of all wrong answers must name one."""
    labs = {path.stem for path in quiz.topic.labs}
    wrong = [(item, option) for item in quiz.items for option in item.options if not option.correct]
    named = [(item.id, option.lab) for item, option in wrong]
    named += [(item.id, trap.lab) for item in quiz.items for trap in item.traps]
    problems = [
        say(f"{item}：这个主题里没有实验 '{lab}'", f"{item}: there is no lab '{lab}' in this topic")
        for item, lab in named
        if lab and lab not in labs
    ]
    problems += [
        say(
            f"{item.id}：正确的选项写了 'lab'，而 'lab' 是用来反驳错误选项的",
            f"{item.id}: a right option names a lab that would refute it",
        )
        for item in quiz.items
        if item.kind != "order" and any(option.correct and option.lab for option in item.options)
    ]
    refuted = sum(lab is not None for _, lab in named)
    if 2 * refuted < len(named):
        problems.append(
            say(
                f"{len(named)} 个错误答案里只有 {refuted} 个写了能反驳它的实验（'lab'）",
                f"only {refuted} of {len(named)} wrong answers name the lab that refutes them",
            )
        )
    return problems


def _spread(quiz: Quiz) -> list[str]:
    """No position may hold more than half of the right answers of the single-choice items."""
    places = [item.correct[0] for item in quiz.items if item.kind == "single"]
    return [
        say(
            f"{len(places)} 个正确答案里有 {places.count(place)} 个在位置 {LETTERS[place]}",
            f"{places.count(place)} of {len(places)} right answers stand at position {LETTERS[place]}",
        )
        for place in sorted(set(places))
        if len(places) > 1 and 2 * places.count(place) > len(places)
    ]


def _longest(quiz: Quiz) -> list[str]:
    """Whoever always takes the longest option must not be right more than half of the time, in either language."""
    singles = [item for item in quiz.items if item.kind == "single"]
    problems = []
    for language in ("zh", "en"):
        longest = 0
        for item in singles:
            lengths = [len(getattr(option.text, language)) for option in item.options]
            right = lengths.pop(item.correct[0])
            longest += right > max(lengths)
        if 2 * longest > len(singles):
            problems.append(
                say(
                    f"'{language}' 的文字里，{len(singles)} 道单选题有 {longest} 道的正确选项最长",
                    f"in '{language}' the right option is the longest in {longest} of {len(singles)} items",
                )
            )
    return problems


POSITIONAL = re.compile(
    r"以上(都|全|所有|皆|两)|前两(个|项|者)|选项 ?[A-J]|of the above|\boptions? [A-J]\b|\bboth [A-J] and\b"
)


def _independent(quiz: Quiz) -> list[str]:
    """Options are shuffled, so none may speak of another's place."""
    return [
        say(
            f"{item.id}：'{text}' 提到了别的选项的位置，而选项会被打乱",
            f"{item.id}: '{text}' speaks of the place of another option, and places are shuffled",
        )
        for item in quiz.items
        for option in item.options
        for text in (option.text.zh, option.text.en, option.why.zh, option.why.en)
        if POSITIONAL.search(text)
    ]
