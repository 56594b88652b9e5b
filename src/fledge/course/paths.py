"""Learning paths: what to do in which order, how long it takes, and what shows that it was done.

`modules/paths.yaml` is the source. A path is stages of steps; a step is a page to read, a lab, a quiz, an exercise, a
command, or something that only the learner can say is done. Minutes are not typed where they can be counted: reading from
the page, labs from the seconds that their record took, exercises from their own sheet.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fledge.course import book, pages, quiz
from fledge.course.sources import read_yaml
from fledge.errors import UserError, suggest
from fledge.lang import N_, Text, _, both, commas, language

KINDS = {  # kind of step -> what a learner calls it
    "read": N_("read"),
    "lab": N_("lab"),
    "quiz": N_("quiz"),
    "exercise": N_("exercise"),
    "command": N_("run"),
    "done": N_("on your own"),
}
PAGES = {
    "README": N_("overview"),
    "teaching": N_("lesson"),
    "code_guide": N_("code guide"),
}
LAB_MINUTES = 4.0  # to read the question, predict, and compare with the picture; the computing comes on top
ITEM_MINUTES = 0.75  # for a question of a quiz and its reasons
UNKNOWN_LAB_SECONDS = 40.0  # the most that a lab may take; for one that was not recorded yet
FIRST = "quick"  # the path of somebody who chose none


@dataclass(frozen=True)
class Step:
    """One thing to do. `subject`: "topic/page", "topic/lab", "topic" or "topic/item" of a quiz, or a name."""

    kind: str
    subject: str
    minutes: float
    text: Text
    typed: str = ""
    """the command itself (kind command)"""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """what a command leaves behind: {"run": {job, name, files}} or {"file": path} or {"log": what}"""

    @property
    def id(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def command(self) -> str:
        """What to type for it."""
        if self.kind == "read":
            return f"fledge learn read {self.subject.replace('/', ' ')}"
        if self.kind == "lab":
            return f"fledge lab run {self.subject}"
        if self.kind == "quiz":
            topic, _, item = self.subject.partition("/")
            return f"fledge quiz {topic}" + (f" --item {item}" if item else "")
        if self.kind == "exercise":
            return f"fledge exercise start {self.subject}"
        return self.typed or f"fledge learn done {self.subject}"


@dataclass(frozen=True)
class Stage:
    title: Text
    steps: tuple[Step, ...]
    later: tuple[Text, ...] = ()
    """what belongs here and cannot be done yet; it counts for nothing"""

    @property
    def minutes(self) -> float:
        return sum(step.minutes for step in self.steps)


@dataclass(frozen=True)
class ChecklistItem:
    """An item of the checklist at the end, and the ids of the steps that show it; "path NAME" is that whole checklist."""

    text: Text
    needs: tuple[str, ...]


@dataclass(frozen=True)
class LearningPath:
    name: str
    title: Text
    about: Text
    stages: tuple[Stage, ...]
    checks: tuple[ChecklistItem, ...]

    @property
    def steps(self) -> list[Step]:
        return [step for stage in self.stages for step in stage.steps]

    @property
    def minutes(self) -> float:
        return sum(stage.minutes for stage in self.stages)


def all_paths(file: Path | None = None) -> dict[str, LearningPath]:
    """Every path, by name, in the order of paths.yaml; UserError says what is wrong with that file."""
    return _load(file or book.book_root() / "paths.yaml", language())


@functools.cache
def _load(file: Path, lang: str) -> dict[str, LearningPath]:
    """`lang` is a key only: the minutes are those of the pages in the learner's language."""
    said = read_yaml(file)
    if not isinstance(said, dict):
        raise UserError(_("'{file}' is no list of paths.").format(file=file))
    found: dict[str, LearningPath] = {}
    for name, row in said.items():
        try:
            found[name] = _path(name, row, found)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(
                _("'{file}': the path '{name}' cannot be read: {error!r}.").format(file=file, name=name, error=error)
            ) from error
    return found


def find_path(name: str) -> LearningPath:
    paths = all_paths()
    if name not in paths:
        raise UserError(
            _("there is no path '{name}'; the paths are {paths}.").format(name=name, paths=commas(paths))
            + suggest(name, paths)
        )
    return paths[name]


def find_step(word: str) -> Step:
    """The step `done` or `command` of that name, in any path."""
    steps = [step for path in all_paths().values() for step in path.steps if step.kind in ("done", "command")]
    named = {step.subject: step for step in steps}
    if word not in named:
        there = _(" There are: {named}.").format(named=commas(named))
        raise UserError(
            _("there is no step '{word}' of that kind.").format(word=word) + (suggest(word, named) or there)
        )
    return named[word]


def missing(paths: Mapping[str, LearningPath]) -> list[str]:
    """Everything in the paths that the book has not: pages, labs, quizzes, exercises, and checks without a step."""
    problems = []
    for path in paths.values():
        known = {step.id for step in path.steps} | {f"path {name}" for name in paths if name != path.name}
        for step in path.steps:
            problems += [
                _("{path}: {step}: {problem}").format(path=path.name, step=step.id, problem=problem)
                for problem in _not_there(step)
            ]
        for check in path.checks:
            problems += [
                _("{path}: '{text}' needs '{need}', which is no step of the path").format(
                    path=path.name, text=check.text, need=need
                )
                for need in check.needs
                if need not in known
            ]
            if not check.needs:
                problems.append(_("{path}: nothing shows '{text}'").format(path=path.name, text=check.text))
    return list(dict.fromkeys(problems))


def exercise_sheet(name: str) -> tuple[book.Topic, dict[str, Any]] | None:
    """The topic and the exercise.yaml of an exercise; None when there is none of that name."""
    for topic in book.topics():
        file = topic.path / "exercises" / name / "exercise.yaml"
        if file.is_file():
            said = read_yaml(file)
            return topic, said if isinstance(said, dict) else {}
    return None


# Reading


def _path(name: str, row: Mapping[str, Any], earlier: Mapping[str, LearningPath]) -> LearningPath:
    stages: list[Stage] = []
    for said in row["stages"]:
        if "path" in said:
            stages += earlier[said["path"]].stages
        else:
            later = tuple(_text(text) for text in said.get("later", ()))
            stages.append(Stage(_text(said["title"]), tuple(map(_step, said["steps"])), later))
    checks = tuple(ChecklistItem(_text(check["text"]), tuple(check["needs"])) for check in row["checklist"])
    return LearningPath(name, _text(row["title"]), _text(row["about"]), tuple(stages), checks)


def _step(said: Mapping[str, Any]) -> Step:
    (kind,) = [key for key in said if key in KINDS]
    subject = str(said[kind])
    if kind == "command":
        evidence = {key: said[key] for key in ("run", "file", "log") if key in said}
        return Step(kind, str(said["id"]), float(said["minutes"]), _text(said["text"]), subject, evidence)
    if kind == "done":
        return Step(kind, subject, float(said["minutes"]), _text(said["text"]))
    minutes, text = _counted(kind, subject)
    return Step(kind, subject, minutes, text)


def _text(said: Mapping[str, str]) -> Text:
    return Text(said["zh"].strip(), said["en"].strip())


def _counted(kind: str, subject: str) -> tuple[float, Text]:
    """Minutes and title of what the book holds; 0 and the bare name of what is not there (`missing` lists it)."""
    nothing = 0.0, Text(subject, subject)
    if kind == "exercise":
        sheet = exercise_sheet(subject)
        if sheet is None:
            return nothing
        title = sheet[1].get("title") or {"zh": subject, "en": subject}
        return float(sheet[1].get("minutes", 0)), Text(title["zh"], title["en"])
    name, _, rest = subject.partition("/")
    topic = _topic(name)
    if topic is None:
        return nothing
    if kind == "read":
        return _page(topic, rest)
    if kind == "lab":
        file = topic.path / "experiments" / f"{rest}.py"
        return (_lab_minutes(file), lab_title(file)) if file.is_file() else nothing
    if not quiz.has_quiz(topic):
        return nothing
    items = quiz.load(topic).items
    if not rest:
        return len(items) * ITEM_MINUTES, _titled(topic, KINDS["quiz"])
    question = next((item.question for item in items if item.id == rest), None)
    return (ITEM_MINUTES, question) if question else nothing


def _page(topic: book.Topic, page: str) -> tuple[float, Text]:
    try:
        return pages.reading_minutes(pages.find_page(topic, page)), _titled(topic, PAGES[page])
    except (UserError, KeyError):
        return 0.0, Text(f"{topic.name}/{page}", f"{topic.name}/{page}")


def _titled(topic: book.Topic, what: Text) -> Text:
    title = Text(*(pages.topic_title(topic, lang) for lang in ("zh", "en")))
    return both("{title}: {what}", title=title, what=what)


def _topic(name: str) -> book.Topic | None:
    return next((topic for topic in book.topics() if topic.name == name), None)


def _lab_minutes(file: Path) -> float:
    try:
        said = json.loads((file.parent / "results" / f"{file.stem}.json").read_text(encoding="utf-8"))
        seconds = float(said["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        seconds = UNKNOWN_LAB_SECONDS
    return LAB_MINUTES + seconds / 60


@functools.cache
def lab_title(file: Path) -> Text:
    """The title that a lab states, read without running the file (that would load torch)."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Lab":
            for keyword in node.keywords:
                if keyword.arg == "title" and isinstance(keyword.value, ast.Call):
                    words = [getattr(argument, "value", "") for argument in keyword.value.args]
                    if len(words) == 2:
                        return Text(*words)
    return Text(file.stem, file.stem)


def _not_there(step: Step) -> Iterator[str]:
    if step.kind in ("command", "done"):
        return
    name, __, rest = step.subject.partition("/")
    if step.kind == "exercise":
        if exercise_sheet(step.subject) is None:
            yield _("there is no such exercise")
    elif (topic := _topic(name)) is None:
        yield _("there is no such topic")
    elif step.kind == "read":
        files = [topic.path / f"{rest}{ending}" for ending in (".md", ".en.md")]
        yield from (_("there is no '{file}'").format(file=file.name) for file in files if not file.is_file())
    elif step.kind == "lab":
        if rest not in [file.stem for file in topic.labs]:
            yield _("there is no such lab")
    elif not quiz.has_quiz(topic):
        yield _("there is no quiz")
    elif rest and rest not in [item.id for item in quiz.load(topic).items]:
        yield _("the quiz has no such item")
