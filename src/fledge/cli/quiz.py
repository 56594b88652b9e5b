"""`fledge quiz TOPIC`: the questions of a topic, one after the other, each answer with its reason."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fledge.cli.flags import parse
from fledge.course import book
from fledge.errors import UserError
from fledge.lang import _

if TYPE_CHECKING:
    from rich.console import Console

    from fledge.course.quiz import Feedback, Item, Quiz

STOP = ("q", "quit")


@dataclass
class Flags:
    """Answer the questions of a topic. Options are shuffled; every answer gets its reason and is kept in your progress."""

    topic: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TOPIC")]
    """the topic, or a part of its name: 01-normalization, attention, …"""
    item: str | None = None
    """only the question of that name"""
    answers: str | None = None
    """answers for scripts: a,bc,2.0,cab in the order of the page quiz.md, or a JSON file (a list, or {question: answer})"""
    seed: int | None = None
    """order of the options; with --answers they stand as on the page when this is left out"""
    json: bool = False
    """print JSON: every question, what was chosen, what is right and why"""


def main(argv: list[str]) -> int:
    flags = parse(Flags, argv, "fledge quiz")
    from rich.console import Console

    from fledge.course import quiz as quizzes
    from fledge.course.onward import next_lines
    from fledge.course.progress import open_progress

    quiz = quizzes.load(book.find_topic(flags.topic, quizzes.has_quiz))
    items = [quiz.item(flags.item)] if flags.item else list(quiz.items)
    given = None if flags.answers is None else _given(flags.answers, items)
    if given is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(_("a quiz is answered in a terminal; scripts give --answers a,bc,2.0."))
    console = Console(highlight=False, markup=False, stderr=flags.json, soft_wrap=given is not None)
    seed = flags.seed if given is not None or flags.seed is not None else random.SystemRandom().randrange(2**32)
    rows: list[dict[str, Any]] = []
    with open_progress() as progress:
        prepared = None if given is None else _understood(items, given, seed)  # a slip in the last spoils none
        for number, item in enumerate(items, start=1):
            if given is not None and item.id not in given:
                continue
            if (row := _ask(quiz, item, seed, prepared, f"{number}/{len(items)}", console)) is None:
                break
            progress.add("quiz", f"{quiz.topic.name}/{item.id}", chosen=row["chosen"], right=row["right"])
            rows.append(row)
        onward = [] if flags.json else next_lines(progress)
    if flags.json:
        right = sum(row["right"] for row in rows)
        print(
            json.dumps({"topic": quiz.topic.name, "right": right, "of": len(rows), "items": rows}, ensure_ascii=False)
        )
    else:
        _close(quiz, rows, onward, console)
    return 0


def _given(text: str, items: list[Item]) -> dict[str, str]:
    """{item: answer} of `--answers`; every item must have one, unless a JSON file names those that do."""
    if text.lower().endswith(".json"):
        found = _read(Path(text))
        if isinstance(found, dict):
            unknown = sorted(found.keys() - {item.id for item in items})
            if unknown:
                raise UserError(
                    _("'{text}' answers '{unknown}', which is no question here.").format(text=text, unknown=unknown[0])
                )
            return {name: _word(answer) for name, answer in found.items()}
        answers = [_word(answer) for answer in found]
    else:
        answers = text.split(",")
    if len(answers) != len(items):
        raise UserError(
            _("--answers gives {num_answers} answers, and there are {num_items} questions.").format(
                num_answers=len(answers), num_items=len(items)
            )
        )
    return {item.id: answer for item, answer in zip(items, answers)}


def _read(path: Path) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        if isinstance(error, json.JSONDecodeError):
            why = _("line {line} is not JSON ({msg})").format(line=error.lineno, msg=error.msg)
        else:
            why = getattr(error, "strerror", None) or _("not UTF-8")
        raise UserError(_("the answers '{path}' cannot be read: {why}.").format(path=path, why=why)) from error
    if not isinstance(found, (dict, list)):
        raise UserError(_("'{path}' must hold a list of answers, or {{question: answer}}.").format(path=path))
    return found


def _word(answer: Any) -> str:
    """An answer of a JSON file as it would be typed: "b", ["a", "c"], 2.0."""
    return "".join(map(str, answer)) if isinstance(answer, list) else str(answer)


def _understood(items: list[Item], given: dict[str, str], seed: int | None) -> dict[str, Any]:
    """{item: what was chosen}; UserError names the question whose answer cannot be understood."""
    from fledge.course.quiz import arrange, read_answer

    chosen = {}
    for item in items:
        if item.id in given:
            try:
                chosen[item.id] = read_answer(item, arrange(item, seed), given[item.id])
            except UserError as error:
                raise UserError(f"{item.id}: {error}") from None
    return chosen


def _ask(
    quiz: Quiz, item: Item, seed: int | None, given: dict[str, Any] | None, place: str, console: Console
) -> dict[str, Any] | None:
    """Show one question, take its answer and tell what became of it; None when the learner wants to stop."""
    from fledge.course.quiz import LETTERS, arrange, judge

    shown = arrange(item, seed)
    hint = {
        "single": _("one letter"),
        "multiple": _("one letter or more, e.g. ac"),
        "numeric": _("a number"),
        "order": _("letters in order, e.g. cab"),
    }[item.kind]
    console.print(f"\n{place}  {item.question}", style="bold")
    for at, number in enumerate(shown):
        console.print(f"  {LETTERS[at]}. {item.options[number].text}")
    if given is not None:
        chosen = given[item.id]
    elif (chosen := _answer(item, shown, _("({hint}; q to stop) > ").format(hint=hint), console)) is None:
        return None
    verdict = judge(item, chosen)
    _tell(quiz, item, verdict, shown, console)
    return {
        "id": item.id,
        "kind": item.kind,
        "question": str(item.question),
        "shown": shown,
        "chosen": chosen,
        "right": verdict.right,
        "answer": item.answer if item.kind == "numeric" else item.correct,
        "reasons": [{"about": about, "why": str(why)} for about, why in verdict.reasons],
        "labs": [f"{quiz.topic.name}/{lab}" for lab in verdict.labs],
    }


def _answer(item: Item, shown: list[int], prompt: str, console: Console) -> Any:
    """What the learner types, asked for until it can be understood; None for the end."""
    from fledge.course.quiz import read_answer

    while True:
        try:
            print(prompt, end="", flush=True, file=console.file)
            said = input().strip()
        except EOFError:
            return None
        if said.lower() in STOP:
            return None
        try:
            return read_answer(item, shown, said)
        except UserError as error:
            console.print(str(error), style="yellow")


def _tell(quiz: Quiz, item: Item, verdict: Feedback, shown: list[int], console: Console) -> None:
    """Right or wrong, the reasons, and the lab to look at."""
    from fledge.course.quiz import LETTERS

    if verdict.right:
        console.print(_("Right."), style="green")
    else:
        answer = f"{item.answer:.10g}"
        if item.kind != "numeric":
            between = " → " if item.kind == "order" else ""
            answer = between.join(LETTERS[shown.index(number)] for number in item.correct)
            answer = answer if item.kind == "order" else "".join(sorted(answer))
        console.print(_("Not quite: the answer is {answer}.").format(answer=answer), style="red")
    for about, why in verdict.reasons:
        text = _("{about}: {why}").format(about=about, why=why) if about else str(why)
        console.print(f"  {text}", style="dim" if verdict.right else None)
    for lab in verdict.labs:
        console.print(
            _("  See for yourself: fledge lab run {topic}/{lab}").format(topic=quiz.topic.name, lab=lab), style="cyan"
        )


def _close(quiz: Quiz, rows: list[dict[str, Any]], onward: list[str], console: Console) -> None:
    """k of n, what to look at again, and the next step of the path."""
    if not rows:
        console.print(_("Nothing was answered, and nothing recorded."))
        return
    wrong = [row for row in rows if not row["right"]]
    right, of = len(rows) - len(wrong), len(rows)
    console.print(_("\n{right} of {of} right.").format(right=right, of=of), style="bold")
    if wrong:
        console.print(_("Look at these again:"))
    for row in wrong:
        console.print(f"  {row['question']}")
        for lab in row["labs"]:
            console.print(f"    fledge lab run {lab}", style="cyan")
        console.print(f"    fledge quiz {quiz.topic.name} --item {row['id']}", style="cyan")
    if wrong:
        console.print(f"  fledge learn read {quiz.topic.name} teaching", style="cyan")
    console.print("\n" + "\n".join(onward))
