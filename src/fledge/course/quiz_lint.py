"""What makes a quiz worth less: answers that a pattern gives away, kinds that are missing, labs that are not there."""

from __future__ import annotations

import re
from collections.abc import Callable

from fledge.course.quiz import LETTERS, Quiz
from fledge.lang import _


def lint(quiz: Quiz) -> list[str]:
    """Everything that its author must mend, one sentence each."""
    checks: tuple[Callable[[Quiz], list[str]], ...] = (_enough, _unique, _refuted, _spread, _longest, _independent)
    name = quiz.topic.name
    return [_("{name}: {problem}").format(name=name, problem=problem) for check in checks for problem in check(quiz)]


def _enough(quiz: Quiz) -> list[str]:
    kinds = [item.kind for item in quiz.items]
    problems = [
        _("no item of kind '{kind}'").format(kind=kind)
        for kind in ("single", "multiple", "numeric", "order")
        if kind not in kinds
    ]
    if len(kinds) < 8:
        problems.append(_("only {num_kinds} items; a topic needs 8").format(num_kinds=len(kinds)))
    return problems


def _unique(quiz: Quiz) -> list[str]:
    ids = [item.id for item in quiz.items]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    problems = [_("two items are called '{name}'").format(name=name) for name in twice]
    for item in quiz.items:
        for texts in ([o.text.zh for o in item.options], [o.text.en for o in item.options]):
            if len(set(texts)) < len(texts):
                problems.append(_("{item}: two options say the same").format(item=item.id))
    return problems


def _refuted(quiz: Quiz) -> list[str]:
    """Labs that are named must be there, and at least half of all wrong answers must name one."""
    labs = {path.stem for path in quiz.topic.labs}
    wrong = [(item, option) for item in quiz.items for option in item.options if not option.correct]
    named = [(item.id, option.lab) for item, option in wrong]
    named += [(item.id, trap.lab) for item in quiz.items for trap in item.traps]
    problems = [
        _("{item}: there is no lab '{lab}' in this topic").format(item=item, lab=lab)
        for item, lab in named
        if lab and lab not in labs
    ]
    problems += [
        _("{item}: a right option names a lab that would refute it").format(item=item.id)
        for item in quiz.items
        if item.kind != "order" and any(option.correct and option.lab for option in item.options)
    ]
    refuted = sum(lab is not None for _, lab in named)
    if 2 * refuted < len(named):
        problems.append(
            _("only {refuted} of {length} wrong answers name the lab that refutes them").format(
                refuted=refuted, length=len(named)
            )
        )
    return problems


def _spread(quiz: Quiz) -> list[str]:
    """No position may hold more than half of the right answers of the single-choice items."""
    places = [item.correct[0] for item in quiz.items if item.kind == "single"]
    return [
        _("{count} of {num_places} right answers stand at position {letter}").format(
            count=places.count(place), num_places=len(places), letter=LETTERS[place]
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
                _("in '{language}' the right option is the longest in {longest} of {num_singles} items").format(
                    language=language, longest=longest, num_singles=len(singles)
                )
            )
    return problems


POSITIONAL = re.compile(
    r"以上(都|全|所有|皆|两)|前两(个|项|者)|选项 ?[A-J]|of the above|\boptions? [A-J]\b|\bboth [A-J] and\b"
)


def _independent(quiz: Quiz) -> list[str]:
    """Options are shuffled, so none may speak of another's place."""
    return [
        _("{item}: '{text}' speaks of the place of another option, and places are shuffled").format(
            item=item.id, text=text
        )
        for item in quiz.items
        for option in item.options
        for text in (option.text.zh, option.text.en, option.why.zh, option.why.en)
        if POSITIONAL.search(text)
    ]
