"""What shows that a step was done: events of the log, training runs, files. What leaves a trace is not taken on trust."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fledge.course import book, quiz
from fledge.course.paths import ChecklistItem, LearningPath, Step, all_paths
from fledge.course.progress import Event, Progress
from fledge.course.workspace import Workspace
from fledge.lang import _
from fledge.records import Run, list_runs, runs_root

LOG_LINE = re.compile(r"^<!-- fledge log (?P<what>[\w-]+)(?P<rest>.*) -->$", re.MULTILINE)  # the first line of a record


@dataclass(frozen=True)
class ExerciseEvidence:
    """What was done about one exercise."""

    attempts: int
    passed_at: int | None
    """the attempt that passed, counted from 1"""
    hints: int
    """the highest hint that was opened before it passed"""
    solution_first: bool
    """whether the solution was opened before it passed"""
    calls: tuple[str, ...]
    """what it called to pass: the reference, or what the task rules out; empty when it was written by hand"""
    first: str
    last: str
    reverse: dict[str, Any] | None
    """the newest reverse exercise (their own tests)"""


class Evidence:
    """Everything that is known of one learner, read once. `of(step)` is what shows it, in their language, or None."""

    def __init__(self, events: Sequence[Event], space: Workspace, runs: Sequence[Run] | None = None) -> None:
        self.events = list(events)
        self.space = space
        self.runs = find_runs(space) if runs is None else list(runs)
        self._found: dict[str, str | None] = {}

    def of(self, step: Step) -> str | None:
        """What shows that the step is done; None when nothing does."""
        if step.id not in self._found:
            self._found[step.id] = self._of(step)
        return self._found[step.id]

    def renew(self, events: Sequence[Event]) -> None:
        """Go on with what is in the log now."""
        self.events, self._found = list(events), {}

    def _of(self, step: Step) -> str | None:
        if step.kind == "command":
            return self._command(step)
        if step.kind == "exercise":
            return self._exercise(step.subject)
        if step.kind == "quiz":
            return self._quiz(step.subject)
        events = self.about(step.kind, step.subject)
        if not events:
            return None
        if step.kind == "lab":
            verdicts = events[-1].data.get("verdicts") or {}
            supported = sum(word == "SUPPORTED" for word in verdicts.values())
            return f"{_day(events[-1])} · " + _("{supported} of {num_verdicts} claims supported").format(
                supported=supported, num_verdicts=len(verdicts)
            )
        return _day(events[-1]) + ("" if step.kind == "read" else _(" · confirmed by yourself"))

    def about(self, kind: str, subject: str | None = None) -> list[Event]:
        return [e for e in self.events if e.kind == kind and subject in (None, e.subject)]

    def exercise(self, name: str) -> ExerciseEvidence | None:
        """None when it was never tried."""
        attempts = self.about("attempt", name)
        if not attempts:
            return None
        passing = [event for event in attempts if event.data.get("passed")]
        passed = next((event for event in passing if not event.data.get("calls")), passing[0] if passing else None)
        before = [event for event in self.events if event.subject == name and (passed is None or event.id < passed.id)]
        reverse = self.about("reverse", name)
        return ExerciseEvidence(
            attempts=len(attempts),
            passed_at=attempts.index(passed) + 1 if passed else None,
            hints=max((int(event.data.get("level") or 0) for event in before if event.kind == "hint"), default=0),
            solution_first=any(event.kind == "solution" for event in before),
            calls=tuple(passed.data.get("calls") or ()) if passed else (),
            first=attempts[0].time,
            last=(passed or attempts[-1]).time,
            reverse=reverse[-1].data if reverse else None,
        )

    def answers(self, topic: book.Topic) -> dict[str, bool]:
        """{item: whether the newest answer is right}."""
        return quiz.latest_answers(self.about("quiz"), topic)

    def met(self, check: ChecklistItem, path: LearningPath) -> bool:
        """Whether everything that a check of this path needs is there."""
        steps = {step.id: step for step in path.steps}
        paths = all_paths()
        for need in check.needs:
            if need.startswith("path "):
                other = paths[need.removeprefix("path ")]
                if not all(self.met(inner, other) for inner in other.checks):
                    return False
            elif need not in steps or self.of(steps[need]) is None:
                return False
        return True

    def next_step(self, path: LearningPath) -> Step | None:
        """The first step that nothing shows; None at the end."""
        return next((step for step in path.steps if self.of(step) is None), None)

    def _exercise(self, name: str) -> str | None:
        found = self.exercise(name)
        if found is None or found.passed_at is None:
            return None
        how = _("passed at attempt {passed_at}").format(passed_at=found.passed_at)
        if found.calls:
            names = ", ".join(found.calls)
            how += _(", by calling {names}, not written by hand").format(names=names)
        if found.solution_first:
            how += _(", after the solution was opened")
        elif found.hints:
            how += _(", hints up to level {hints}").format(hints=found.hints)
        return f"{found.last[:10]} · {how}"

    def _quiz(self, subject: str) -> str | None:
        name, __, item = subject.partition("/")
        topic = next((topic for topic in book.topics() if topic.name == name), None)
        if topic is None or not quiz.has_quiz(topic):
            return None
        answers = self.answers(topic)
        if item:
            return _("answered right") if answers.get(item) else None
        items = quiz.load(topic)
        share, right = quiz.share_right(items, answers), sum(answers.get(item.id, False) for item in items.items)
        return (
            _("{right} of {num_items} right").format(right=right, num_items=len(items.items))
            if share >= quiz.PASS
            else None
        )

    def _command(self, step: Step) -> str | None:
        if noted := self.about("done", step.subject):
            seen = noted[-1].data.get("seen") or _("confirmed by yourself")
            return f"{_day(noted[-1])} · {seen}"
        return self.trace(step)

    def trace(self, step: Step) -> str | None:
        """What a command left on this machine: a finished run, a file, a record in the log."""
        if wanted := step.evidence.get("run"):
            run = next((run for run in self.runs if _fits(run, wanted)), None)
            return None if run is None else _("run {run}").format(run=run.name)
        if wanted := step.evidence.get("file"):
            return wanted if any((folder / wanted).exists() for folder in (self.space.root, Path.cwd())) else None
        if wanted := step.evidence.get("log"):
            for file in sorted(self.space.log.glob("*.md")):
                found = LOG_LINE.match(file.read_text(encoding="utf-8", errors="replace"))
                if found and found["what"] == wanted:
                    return f"log/{file.name}"
        return None


def gather(progress: Progress, space: Workspace) -> Evidence:
    return Evidence(progress.events(), space)


def note_traces(progress: Progress, evidence: Evidence, steps: Sequence[Step]) -> None:
    """Keep in the log what commands left behind, so that a run may be deleted and progress may move to another machine."""
    for step in {step.id: step for step in steps if step.kind == "command"}.values():
        if not evidence.about("done", step.subject) and (seen := evidence.trace(step)):
            progress.add("done", step.subject, seen=seen)
            evidence.renew(progress.events())


def find_runs(space: Workspace) -> list[Run]:
    """The runs of FLEDGE_RUNS or ./runs, of the workspace, and of the checkout; the newest first."""
    roots = [runs_root(), space.runs, *([book.checkout() / "runs"] if book.is_checkout() else [])]
    found = {run.path.resolve(): run for root in roots for run in list_runs(root)}
    return sorted(found.values(), key=lambda run: (run.info.get("started", ""), run.name), reverse=True)


def _fits(run: Run, wanted: dict[str, Any]) -> bool:
    """A finished run of that job, whose name begins so, and that read files when files are wanted."""
    return (
        run.info.get("status") == "done"
        and run.info.get("job") == wanted.get("job", run.info.get("job"))
        and run.name.startswith(str(wanted.get("name", "")))
        and (not wanted.get("files") or bool((run.info.get("config") or {}).get("data")))
    )


def _day(event: Event) -> str:
    return event.time[:10]
