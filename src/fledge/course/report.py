"""The learner's report: what was done, what shows it, how good their predictions were, what is left.

Its blocks are written twice (report_forms): as report.md, and as report.html, one file that needs no network.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from fledge.course import book, pages, quiz
from fledge.course.evidence import Evidence
from fledge.course.paths import KINDS, LearningPath, Step
from fledge.course.progress import Event, Progress
from fledge.course.report_forms import Report, write
from fledge.lang import _
from fledge.records import status_word

__all__ = ["Report", "build", "calibration", "write"]

LEFT = 8  # of what is left, so many steps are listed


@dataclass(frozen=True)
class Confidence:
    """How sure somebody was, and how often right. Only the first prediction of a lab counts: later ones know the result."""

    groups: dict[int, tuple[int, int]]
    """{stated confidence in percent, to the nearest ten: (predictions, right ones)}"""
    brier: float | None
    """mean of (confidence - right)²: 0 is perfect, 0.25 is what always saying 50 % gets; None without predictions"""

    @property
    def count(self) -> int:
        return sum(count for count, _ in self.groups.values())

    @property
    def right(self) -> int:
        return sum(right for _, right in self.groups.values())


def calibration(predictions: Sequence[Event]) -> Confidence:
    """Of events of kind `prediction`."""
    first: dict[str, tuple[float, bool]] = {}
    for event in predictions:
        sure = event.data.get("confidence")
        if isinstance(sure, (int, float)) and 0 <= sure <= 1:
            first.setdefault(event.subject, (float(sure), bool(event.data.get("right"))))
    groups: dict[int, tuple[int, int]] = {}
    for sure, right in sorted(first.values()):
        tenth = int(sure * 10 + 0.5) * 10
        count, hits = groups.get(tenth, (0, 0))
        groups[tenth] = (count + 1, hits + right)
    brier = sum((sure - right) ** 2 for sure, right in first.values()) / len(first) if first else None
    return Confidence(groups, brier)


def build(progress: Progress, evidence: Evidence, path: LearningPath, today: date | None = None) -> Report:
    """Everything that the log, the runs and the chosen path say."""
    report = Report(_("Learning report"))
    day = (today or date.today()).isoformat()
    report.blocks.append(("text", f"{day} · {path.title}"))
    _chain(report, progress, len(evidence.events))
    _path(report, evidence, path)
    _exercises(report, evidence)
    _labs(report, evidence)
    _predictions(report, calibration(evidence.about("prediction")))
    _quizzes(report, evidence)
    _runs(report, evidence)
    _left(report, evidence, path)
    report.numbers |= {"date": day, "path": path.name}
    return report


# The parts


def _chain(report: Report, progress: Progress, count: int) -> None:
    broken = progress.verify()
    report.numbers["chain"] = {"events": count, "head": progress.head(), "broken_at": broken}
    if broken is None:
        said = _(
            "The progress log has {count} events; all were verified and none was changed. Fingerprint of the last: {head}."
        ).format(count=count, head=progress.head()[:16] or "-")
    else:
        said = _(
            "Note: from row {broken} on the progress log is not what was written; what follows from there is no evidence."
        ).format(broken=broken)
    report.blocks.append(("text", said))


def _path(report: Report, evidence: Evidence, path: LearningPath) -> None:
    report.blocks.append(("heading", _("How far")))
    rows = [_("stage/done/of/evidence").split("/")]
    for stage in path.stages:
        seen = {step.id: evidence.of(step) for step in stage.steps}
        found = [f"{step.text} — {seen[step.id]}" for step in stage.steps if seen[step.id]]
        rows.append([str(stage.title), str(len(found)), str(len(seen)), "; ".join(found) or "-"])
    report.blocks.append(("table", rows))
    report.blocks.append(("heading", _("Checklist")))
    met = {str(check.text): evidence.met(check, path) for check in path.checks}
    yes, no = _("shown"), _("not yet")
    table = [_("item/state/shown by").split("/")]
    for check in path.checks:
        needs = ", ".join(_need(need) for need in check.needs)
        table.append([str(check.text), yes if met[str(check.text)] else no, needs])
    report.blocks.append(("table", table))
    report.numbers["steps"] = {"done": sum(evidence.of(step) is not None for step in path.steps), "of": len(path.steps)}
    report.numbers["checklist"] = met


def _need(need: str) -> str:
    """The id of a step in the learner's words."""
    kind, __, subject = need.partition(" ")
    what = KINDS.get(kind) or _("path")
    return f"{what} {subject}"


def _exercises(report: Report, evidence: Evidence) -> None:
    names = list(dict.fromkeys(event.subject for event in evidence.about("attempt")))
    rows = [_("exercise/attempts/passed/hints/solution first/own tests").split("/")]
    passed = by_calling = 0
    for name in names:
        found = evidence.exercise(name)
        assert found
        passed += found.passed_at is not None
        by_calling += bool(found.calls)
        how = _("at attempt {passed_at}").format(passed_at=found.passed_at) if found.passed_at else "-"
        if found.calls:
            called = "`, `".join(found.calls)
            how += _(", by calling `{called}`").format(called=called)
        tests = "-"
        if found.reverse:
            killed, of = found.reverse.get("killed"), found.reverse.get("of")
            tests = _("caught {killed}/{of}").format(killed=killed, of=of)
        opened = _("yes") if found.solution_first else "-"
        rows.append([name, str(found.attempts), how, str(found.hints or "-"), opened, tests])
    _add_table(report, _("Exercises"), rows)
    report.numbers["exercises"] = {"passed": passed, "by_calling": by_calling, "tried": len(names)}


def _labs(report: Report, evidence: Evidence) -> None:
    labs: dict[str, list[Event]] = {}
    for event in evidence.about("lab"):
        labs.setdefault(event.subject, []).append(event)
    rows = [_("lab/runs/newest record/supported/not supported/inconclusive").split("/")]
    for name, events in labs.items():
        words = list((events[-1].data.get("verdicts") or {}).values())
        counts = [str(words.count(word)) for word in ("SUPPORTED", "NOT SUPPORTED", "INCONCLUSIVE")]
        rows.append([name, str(len(events)), str(events[-1].data.get("run", "-")), *counts])
    _add_table(report, _("Labs"), rows)
    report.numbers["labs"] = len(labs)


def _predictions(report: Report, found: Confidence) -> None:
    report.numbers["predictions"] = {"count": found.count, "right": found.right, "brier": found.brier}
    report.numbers["calibration"] = {
        f"{sure}%": {"count": n, "right": hits} for sure, (n, hits) in found.groups.items()
    }
    rows = [_("stated confidence/predictions/right/share right").split("/")]
    rows += [[f"{sure}%", str(n), str(hits), f"{hits / n:.0%}"] for sure, (n, hits) in sorted(found.groups.items())]
    _add_table(report, _("Predictions"), rows)
    if found.brier is None:
        return
    report.blocks.append(
        (
            "text",
            _(
                "{right} of {count} right; Brier score {brier:.3f} (mean squared difference between confidence and "
                "outcome: 0 is best, always saying 50% gives 0.25). Only the first prediction of a lab counts: "
                "the second time the result is known."
            ).format(right=found.right, count=found.count, brier=found.brier),
        )
    )
    report.blocks.append(("picture", _picture(found)))


def _quizzes(report: Report, evidence: Evidence) -> None:
    rows = [_("quiz/items/answered/right now/right at once").split("/")]
    report.numbers["quizzes"] = {}
    for topic in book.topics():
        latest = evidence.answers(topic)
        if not latest or not quiz.has_quiz(topic):
            continue
        items = [item.id for item in quiz.load(topic).items]
        first = quiz.latest_answers(reversed(evidence.about("quiz")), topic)  # the oldest comes last and stays
        right, at_once = (sum(answers.get(item, False) for item in items) for answers in (latest, first))
        answered = sum(item in latest for item in items)
        rows.append([pages.topic_title(topic), *(str(number) for number in (len(items), answered, right, at_once))])
        report.numbers["quizzes"][topic.name] = {"items": len(items), "right": right, "right_at_once": at_once}
    _add_table(report, _("Quizzes"), rows)


def _runs(report: Report, evidence: Evidence) -> None:
    rows = [_("training run/job/status/loss/tokens/date").split("/")]
    for run in reversed(evidence.runs):
        if run.info.get("job") == "lab":
            continue
        losses = [row["loss"] for row in run.metrics() if isinstance(row.get("loss"), (int, float))]
        tokens = (run.info.get("results") or {}).get("tokens")
        rows.append(
            [
                run.name,
                str(run.info.get("job")),
                status_word(run.status()),
                f"{losses[0]:.3f} → {losses[-1]:.3f}" if losses else "-",
                f"{tokens:,}" if isinstance(tokens, int) else "-",
                str(run.info.get("started") or "-")[:10],
            ]
        )
    _add_table(report, _("Training runs"), rows)
    report.numbers["runs"] = len(rows) - 1


def _left(report: Report, evidence: Evidence, path: LearningPath) -> None:
    left: list[Step] = [step for step in path.steps if evidence.of(step) is None]
    report.numbers["left"] = [step.id for step in left]
    report.blocks.append(("heading", _("What is left")))
    if not left:
        report.blocks.append(("text", _("This path is done.")))
        return
    hours = sum(step.minutes for step in left) / 60
    report.blocks.append(
        (
            "text",
            _("{length} steps, about {hours:.1f} hours; next:").format(length=len(left), hours=hours),
        )
    )
    rows = [_("step/command").split("/")]
    rows += [[str(step.text), f"`{step.command}`"] for step in left[:LEFT]]
    report.blocks.append(("table", rows))
    later = [str(text) for stage in path.stages for text in stage.later]
    if later:
        text = _("Comes later, not counted now: {later}").format(later=_("; ").join(later))
        report.blocks.append(("text", text))


def _add_table(report: Report, title: str, rows: list[list[str]]) -> None:
    report.blocks.append(("heading", title))
    report.blocks.append(("table", rows) if len(rows) > 1 else ("text", _("Nothing yet.")))


def _picture(found: Confidence) -> str:
    """Share right over stated confidence: on the diagonal, somebody is as often right as they say."""
    size, edge = 240, 40

    def place(share: float) -> float:
        return edge + share * size

    dots = []
    for sure, (count, right) in found.groups.items():
        x, y = place(sure / 100), edge + size - right / count * size
        dots.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{3 + min(count, 9)}" fill="#2a6fb0" fill-opacity=".8"/>')
    across, up = _("stated confidence"), _("share right")
    end = edge + size
    marks = "".join(
        f'<text x="{place(s):.0f}" y="{end + 16}" text-anchor="middle">{s:.0%}</text>'
        f'<text x="{edge - 6}" y="{end - s * size + 4:.0f}" text-anchor="end">{s:.0%}</text>'
        for s in (0, 0.5, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size + 2 * edge}" height="{size + 2 * edge}" font-size="11" '
        f'fill="currentColor" role="img" aria-label="{html.escape(up)} / {html.escape(across)}">'
        f'<rect x="{edge}" y="{edge}" width="{size}" height="{size}" fill="none" stroke="currentColor"/>'
        f'<line x1="{edge}" y1="{end}" x2="{end}" y2="{edge}" stroke="currentColor" stroke-dasharray="4"/>'
        f'{marks}<text x="{edge + size / 2}" y="{end + 32}" text-anchor="middle">{html.escape(across)}</text>'
        f'<text x="{edge}" y="{edge - 10}">{html.escape(up)}</text>{"".join(dots)}</svg>'
    )
