"""How `fledge learn` shows a path, a step and how far somebody is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fledge.lang import _

if TYPE_CHECKING:
    from rich.console import Console

    from fledge.course.evidence import Evidence
    from fledge.course.paths import LearningPath, Step


def sums(path: LearningPath, evidence: Evidence) -> dict[str, Any]:
    left = [step for step in path.steps if evidence.of(step) is None]
    return {
        "steps": len(path.steps),
        "done": len(path.steps) - len(left),
        "minutes": round(path.minutes),
        "minutes_left": round(sum(step.minutes for step in left)),
    }


def row_of(step: Step, seen: str | None) -> dict[str, Any]:
    row = {"kind": step.kind, "subject": step.subject, "text": str(step.text), "command": step.command}
    return row | {"minutes": round(step.minutes, 1), "evidence": seen}


def show_path(path: LearningPath, evidence: Evidence, console: Console) -> None:
    from fledge.course.paths import KINDS

    console.print(f"{path.title}\n{path.about}\n", style="bold")
    coming = evidence.next_step(path)
    for stage in path.stages:
        console.print(f"{stage.title} · {span(stage.minutes)}", style="bold cyan")
        for step in stage.steps:
            seen = evidence.of(step)
            mark = "x" if seen else ">" if step == coming else " "
            console.print(
                f"  [{mark}] {KINDS[step.kind]} · {step.text} · {span(step.minutes)}", style="dim" if seen else None
            )
            console.print(f"        {seen or step.command}", style="dim" if seen else "cyan")
        for text in stage.later:
            console.print(_("      comes later: {text}").format(text=text), style="dim")
    _show_checks(path, evidence, console)


def _show_checks(path: LearningPath, evidence: Evidence, console: Console) -> None:
    console.print(_("\nChecklist"), style="bold")
    for check in path.checks:
        console.print(f"  [{'x' if evidence.met(check, path) else ' '}] {check.text}")


def finished(path: LearningPath, evidence: Evidence, console: Console) -> None:
    from fledge.course.paths import all_paths

    console.print(_("This path is done."), style="bold green")
    _show_checks(path, evidence, console)
    names = list(all_paths())
    following = names[names.index(path.name) + 1 :]
    if following:
        console.print(_("\nthe next one: fledge learn path {following}").format(following=following[0]), style="cyan")
    console.print(_("write a report: fledge learn report"), style="cyan")


def span(minutes: float) -> str:
    if minutes < 90:
        whole = max(1, round(minutes)) if minutes else 0
        return _("{whole} min").format(whole=whole)
    return _("{minutes:.1f} h").format(minutes=minutes / 60)


def plain_console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True)
