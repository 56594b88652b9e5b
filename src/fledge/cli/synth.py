"""`fledge synth answers|instruct|evolve|pairs|judge`: training data and verdicts from a model that somebody serves."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fledge.cli.flags import parse, subverb
from fledge.endpoint import Endpoint
from fledge.errors import UserError
from fledge.lang import _, both

if TYPE_CHECKING:
    from fledge.endpoint.judge import Agreement
    from fledge.synth.answers import Harvest, Progress

File = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
Out = Annotated[Path, tyro.conf.arg(aliases=["-o"])]


@dataclass
class AnswerFlags:
    """Let a served model answer the questions of a file: rows to fine-tune on (black-box distillation)."""

    file: File
    """questions: any chat file (its answers are not read), instructions, or {"question": …} rows"""
    out: Out
    """the rows, .jsonl"""
    limit: int = 0
    """questions at most; 0 for all"""
    system: str = ""
    """a system message for the model; it does not go into the rows"""
    thinking: bool = False
    """keep what the model thinks before it answers, as <think> in the rows"""
    endpoint: Endpoint = field(default_factory=Endpoint)
    force: bool = False
    """replace OUT when it is there"""


@dataclass
class InstructFlags:
    """New instructions from a few of yours, with answers (Self-Instruct): unlike the seeds and each other by ROUGE-L."""

    file: File
    """seed instructions, some ten to two hundred, in any chat schema"""
    out: Out
    """the rows, .jsonl"""
    count: int = 100
    """instructions to make"""
    most_alike: float = 0.7
    """ROUGE-L with another instruction from which one is not new"""
    answers: bool = True
    """let the same model answer them; --no-answers writes the questions alone"""
    seed: int = 0
    """seed of the examples that are shown"""
    endpoint: Endpoint = field(default_factory=Endpoint)
    force: bool = False
    """replace OUT when it is there"""


@dataclass
class EvolveFlags:
    """Harder and rarer instructions from those of a file, round by round, with answers (Evol-Instruct)."""

    file: File
    """instructions, in any chat schema"""
    out: Out
    """the rows of all rounds, .jsonl"""
    rounds: int = 2
    """times that every instruction is rewritten"""
    limit: int = 0
    """instructions at most; 0 for all"""
    seed: int = 0
    """seed of the kind of every rewriting"""
    endpoint: Endpoint = field(default_factory=Endpoint)
    force: bool = False
    """replace OUT when it is there"""


@dataclass
class PairFlags:
    """Two answers to every question, and a judge says which is better: preference pairs for DPO (RLAIF)."""

    file: File
    """questions, in any chat schema"""
    out: Out
    """the rows {chosen, rejected}, .jsonl"""
    judge_url: str | None = None
    """address of the judge; default: the same server"""
    judge_model: str | None = None
    """name of the judge there; default: the same model"""
    limit: int = 0
    """questions at most; 0 for all"""
    seed: int = 0
    """seed of the two answers"""
    endpoint: Endpoint = field(default_factory=lambda: Endpoint(temperature=1.0))
    force: bool = False
    """replace OUT when it is there"""


@dataclass
class JudgeFlags:
    """A served model as a judge of answers in files: grades of one file, or of two files which answer is better."""

    files: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """answered questions in any chat schema: one file is graded from 1 to 10; of two, row by row, the better answer counts"""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """also write the verdicts, .jsonl"""
    endpoint: Endpoint = field(default_factory=lambda: Endpoint(temperature=0.0))
    json: bool = False
    """print the report as JSON"""
    force: bool = False
    """replace OUT when it is there"""


def main(argv: list[str]) -> int:
    table = {
        "answers": (answers, both("answers to the questions of a file")),
        "instruct": (instruct, both("new instructions from a few of yours (Self-Instruct)")),
        "evolve": (evolve, both("harder instructions (Evol-Instruct)")),
        "pairs": (pairs, both("preference pairs that a judge has ordered")),
        "judge": (judge, both("grades, or which of two answers is better, with a report on the judge")),
    }
    return subverb(table, argv, "fledge synth")


def answers(argv: list[str]) -> int:
    flags = parse(AnswerFlags, argv, "fledge synth answers")
    from fledge.synth.answers import answer
    from fledge.synth.questions import read_questions

    _check(flags.out, flags.force, flags.endpoint)
    questions = read_questions(flags.file, flags.limit)
    with _asking() as progress:
        harvest = answer(flags.endpoint, questions, system=flags.system, thinking=flags.thinking, progress=progress)
    return _write(flags.out, harvest)


def instruct(argv: list[str]) -> int:
    flags = parse(InstructFlags, argv, "fledge synth instruct")
    from fledge.synth.answers import Harvest, answer
    from fledge.synth.instruct import self_instruct
    from fledge.synth.questions import read_questions, text_of

    _check(flags.out, flags.force, flags.endpoint)
    if not 0 < flags.most_alike <= 1:
        raise UserError(_("--most-alike is {value}; it must be above 0 and at most 1.").format(value=flags.most_alike))
    seeds, harvest = [text_of(messages) for messages in read_questions(flags.file)], Harvest()
    with _asking() as progress:
        made = self_instruct(
            flags.endpoint, seeds, flags.count,
            harvest=harvest, most_alike=flags.most_alike, seed=flags.seed, progress=progress,
        )  # fmt: skip
        questions = [[{"role": "user", "content": task}] for task in made]
        if flags.answers:
            answer(flags.endpoint, questions, harvest=harvest, progress=progress)
        else:
            harvest.rows = [{"conversations": messages} for messages in questions]
    return _write(flags.out, harvest)


def evolve(argv: list[str]) -> int:
    flags = parse(EvolveFlags, argv, "fledge synth evolve")
    from fledge.synth.answers import Harvest, answer
    from fledge.synth.instruct import evolve as evolutions
    from fledge.synth.questions import read_questions, text_of

    _check(flags.out, flags.force, flags.endpoint)
    tasks, harvest = [text_of(messages) for messages in read_questions(flags.file, flags.limit)], Harvest()
    with _asking() as progress:
        chains = evolutions(flags.endpoint, tasks, flags.rounds, harvest=harvest, seed=flags.seed, progress=progress)
        made = dict.fromkeys(task for chain in chains for task in chain)
        answer(
            flags.endpoint, [[{"role": "user", "content": task}] for task in made], harvest=harvest, progress=progress
        )
    return _write(flags.out, harvest)


def pairs(argv: list[str]) -> int:
    flags = parse(PairFlags, argv, "fledge synth pairs")
    from fledge.synth.pairs import preference_pairs
    from fledge.synth.questions import read_questions

    other = {"base_url": flags.judge_url, "api_model": flags.judge_model}
    given: dict[str, Any] = {name: value for name, value in other.items() if value is not None}
    judge = replace(flags.endpoint, temperature=0.0, **given)
    _check(flags.out, flags.force, flags.endpoint, judge)
    questions = read_questions(flags.file, flags.limit)
    with _asking() as progress:
        harvest, report = preference_pairs(flags.endpoint, judge, questions, seed=flags.seed, progress=progress)
    _report(report)
    return _write(flags.out, harvest)


def judge(argv: list[str]) -> int:
    flags = parse(JudgeFlags, argv, "fledge synth judge")
    from fledge.endpoint.judge import agreement, judge_answers, judge_pairs
    from fledge.records import dumps, write_atomic
    from fledge.synth.judged import answered, matched

    if len(flags.files) > 2:
        raise UserError(_("give one file to grade, or two to compare, not {count}.").format(count=len(flags.files)))
    _check(flags.out, flags.force, flags.endpoint)
    report: dict[str, Any]
    if len(flags.files) == 1:
        asked = answered(flags.files[0])
        with _asking() as progress:
            grades: dict[int, tuple[float | None, str]] = {}
            for number, grade, why in judge_answers(flags.endpoint, asked):
                grades[number] = grade, why
                progress(len(grades), len(asked))
        read = [grade for grade, _why in grades.values() if grade is not None]
        report = {"answers": len(asked), "graded": len(read), "mean": sum(read) / len(read) if read else None}
        rows = [
            {"question": asked[n][0], "answer": asked[n][1], "grade": grades[n][0], "why": grades[n][1]}
            for n in range(len(asked))
        ]
    else:
        trios = matched(*flags.files)
        with _asking() as progress:
            verdicts = {}
            for number, verdict in judge_pairs(flags.endpoint, trios):
                verdicts[number] = verdict
                progress(len(verdicts), len(trios))
        found = agreement([verdicts[n] for n in range(len(trios))])
        winners = [verdicts[n].winner for n in range(len(trios))]
        counts = {side: winners.count(side) for side in ("a", "b", "tie", None)}  # type: ignore[arg-type]
        report = {"pairs": len(trios), "a": counts["a"], "b": counts["b"], "tie": counts["tie"], "unread": counts[None]}
        report |= {"consistent": found.consistent, "first": found.first}
        rows = [
            {"question": q, "a": a, "b": b, "first": verdicts[n].first, "second": verdicts[n].second,
             "winner": verdicts[n].winner, "why": verdicts[n].reason}
            for n, (q, a, b) in enumerate(trios)
        ]  # fmt: skip
        if not flags.json:
            print(_("better: {a} the first file, {b} the second, {tie} ties").format(**counts))  # type: ignore[arg-type]
            _report(found)
    if flags.out is not None:
        write_atomic(flags.out, "".join(dumps(row) + "\n" for row in rows))
    if flags.json:
        print(json.dumps(report, ensure_ascii=False))
    elif len(flags.files) == 1:
        mean = "–" if report["mean"] is None else f"{report['mean']:.2f}"
        print(_("{graded} of {answers} answers graded, {mean} of 10 on average").format(**report | {"mean": mean}))
    return 0


def _check(out: Path | None, force: bool, *endpoints: Endpoint) -> None:
    """What can be refused before the first question."""
    for endpoint in endpoints:
        endpoint.address()
    if out is None:
        return
    if out.suffix != ".jsonl":
        raise UserError(_("'{out}' must end in .jsonl: that is what is written.").format(out=out))
    if out.exists() and not force:
        raise UserError(
            _("'{out}' is there already: give --out another name, or --force to replace it.").format(out=out)
        )


@contextlib.contextmanager
def _asking() -> Iterator[Progress]:
    """A line that counts; Ctrl-C says what is kept."""
    from rich.console import Console

    with Console(stderr=True, highlight=False).status(_("asking …")) as status:
        try:
            yield lambda done, of: status.update(_("{done:,} of {of:,}").format(done=done, of=of))
        except KeyboardInterrupt:
            print(
                _("\nstopped. The answers so far are remembered: the same command goes on from here."), file=sys.stderr
            )
            raise


def _write(out: Path, harvest: Harvest) -> int:
    """Exit code 1 when nothing came of it."""
    from fledge.records import dumps, write_atomic

    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, "".join(dumps(row) + "\n" for row in harvest.rows))
    print(
        _("{rows:,} rows in {out} ({read:,} tokens read, {written:,} written)").format(
            rows=len(harvest.rows), out=out, read=harvest.prompt_tokens, written=harvest.completion_tokens
        )
    )
    for reason, count in harvest.lost.most_common():
        print(_("  left out: {count:,} · {reason}").format(count=count, reason=reason))
    return int(not harvest.rows)


def _report(found: Agreement) -> None:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    print(
        _(
            "the judge: the same verdict in both orders on {consistent} of {pairs:,} pairs; what stood first won {first} "
            "(a fair judge: 50%); no verdict in {unread} of its answers"
        ).format(
            consistent=share(found.consistent), pairs=found.pairs, first=share(found.first), unread=share(found.unread)
        )
    )
