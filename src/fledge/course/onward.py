"""What comes next on the learner's path: asked by `fledge learn`, and told after a lab, a quiz and a check."""

from __future__ import annotations

from fledge.course.evidence import Evidence, gather, note_traces
from fledge.course.paths import FIRST, KINDS, LearningPath, Step, all_paths
from fledge.course.progress import Progress
from fledge.course.workspace import Workspace
from fledge.lang import _


def current(progress: Progress) -> tuple[LearningPath, Evidence]:
    """The chosen path and everything known of the learner; what commands left behind is noted on the way."""
    evidence = gather(progress, Workspace(progress.path.parent.parent))
    paths = all_paths()
    chosen = [event.subject for event in evidence.about("path") if event.subject in paths]
    current = paths[chosen[-1] if chosen else FIRST]
    note_traces(progress, evidence, current.steps)
    return current, evidence


def next_lines(progress: Progress) -> list[str]:
    """The next step of the path and what to type for it: the last words of a lab, a quiz and a check."""
    path, evidence = current(progress)
    step = evidence.next_step(path)
    if step is None:
        return [_("Your path is done: fledge learn")]
    head = _("next: ")
    return [f"{head}{KINDS[step.kind]} · {step.text}", *(f"  {line}" for line in typed(step, evidence))]


def typed(step: Step, evidence: Evidence) -> list[str]:
    """The commands for a step: an exercise is begun once, and then checked."""
    if step.kind == "exercise" and (evidence.about("started", step.subject) or evidence.about("attempt", step.subject)):
        return [f"fledge check {step.subject}"]
    if step.kind == "exercise":
        return [step.command, f"fledge check {step.subject}"]
    return [step.command]
