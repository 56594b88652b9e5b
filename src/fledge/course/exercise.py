"""The exercises of the book: what they ask, and where their starter, solution, checks and bank lie. Loads no torch by itself."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fledge.course import book
from fledge.errors import UserError
from fledge.lang import Text, _, commas

if TYPE_CHECKING:
    from fledge.course.grader.bank import Bank, Implementation
    from fledge.course.grader.checking import Case

HINTS = 4
KNOWN = {
    "title", "function", "functions", "part", "minutes", "difficulty", "task", "prerequisites", "labs", "seconds",
    "memory_mb", "ceilings", "forbidden", "hints",
}  # fmt: skip
COSTS = ("flops", "bytes", "saved")
Functions = dict[str, Callable[..., Any]]


@dataclass(frozen=True)
class Exercise:
    """One exercise; `functions` are the names that the learner defines, `part` the field of Parts that it can replace.

    `forbidden` are the library's calls that would do all of it: an answer that uses them passes, and the record says so.
    """

    name: str
    topic: str
    path: Path
    title: Text
    task: Text
    functions: tuple[str, ...]
    part: str | None
    minutes: int
    difficulty: int
    prerequisites: tuple[str, ...]
    labs: tuple[str, ...]
    seconds: float
    memory_mb: int
    ceilings: dict[str, float]
    forbidden: tuple[str, ...]
    hints: tuple[Text, ...]

    def source(self, file: str) -> str:
        """The text of starter.py, solution.py, checks.py or bank.py."""
        return (self.path / f"{file}.py").read_text(encoding="utf-8")

    def solution(self) -> Functions:
        module = self._load("solution")
        return {name: getattr(module, name) for name in self.functions}

    def cases(self, seed: int) -> list[Case]:
        """The cases with the random numbers of this seed; each names its function."""
        import dataclasses

        import torch

        digest = hashlib.sha256(f"{self.name}/{seed}".encode()).digest()
        rng = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        cases = self._load("checks").cases(rng)
        return [dataclasses.replace(case, function=case.function or self.functions[0]) for case in cases]

    def oracle(self, function: str) -> Callable[..., Any] | None:
        """`oracle_<function>` of checks.py, else `oracle`; None where every case brings its own verdict."""
        module = self._load("checks")
        return getattr(module, f"oracle_{function}", None) or getattr(module, "oracle", None)

    def bank(self) -> Bank:
        from fledge.course.grader.bank import collect

        return collect(self._load("bank"))

    def implementations(self) -> list[tuple[Implementation | None, Functions]]:
        """The solution (without an entry), then every variant, then every mistake of the bank."""
        solution, bank = self.solution(), self.bank()
        entries = [*bank.variants, *bank.mistakes]
        return [(None, solution), *((entry, {**solution, self.target(entry): entry.call}) for entry in entries)]

    def target(self, entry: Implementation) -> str:
        """The function that an entry of the bank replaces."""
        function = entry.function or self.functions[0]
        if function not in self.functions or (entry.function is None and len(self.functions) > 1):
            file, names = self.path / "bank.py", list(self.functions)
            raise ValueError(
                _("{file}: '{entry}' must name one of the functions {names}").format(
                    file=file, entry=entry.name, names=names
                )
            )
        return function

    def bank_size(self) -> tuple[int, int]:
        """How many mistakes and variants the bank holds, read from its text."""
        decorators = [
            ast.unparse(decorator).partition("(")[0]
            for node in ast.parse(self.source("bank")).body
            if isinstance(node, ast.FunctionDef)
            for decorator in node.decorator_list
        ]
        return decorators.count("mistake"), decorators.count("variant")

    def _load(self, file: str) -> Any:
        path = self.path / f"{file}.py"
        place = hashlib.sha256(str(path).encode()).hexdigest()[:8]  # two exercises of one name never share a module
        return book.load_file(path, f"fledge_exercise_{self.name}_{file}_{place}")


@functools.cache
def exercises() -> tuple[Exercise, ...]:
    """Every exercise, topic by topic; within a topic what others stand on comes first, then the easier one."""
    found: list[Exercise] = []
    for topic in book.topics():
        files = sorted((topic.path / "exercises").glob("*/exercise.yaml"))
        here = {file.parent.name: read(file.parent) for file in files}
        found += sorted(
            here.values(), key=lambda exercise: (_depth(exercise, here), exercise.difficulty, exercise.name)
        )
    return tuple(found)


def find_exercise(word: str) -> Exercise:
    """The exercise of that name, or the only one whose name holds the word; UserError otherwise."""
    table = {exercise.name: exercise for exercise in exercises()}
    return table[book.pick(word, table, "exercise")]


def read(folder: Path) -> Exercise:
    """The exercise in a folder; ValueError names what is wrong with its exercise.yaml."""
    file = folder / "exercise.yaml"
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    try:
        return _exercise(folder, data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        missing = _("the field {error} is missing").format(error=error)
        what = missing if isinstance(error, KeyError) else str(error)
        raise ValueError(_("{file}: {what}").format(file=file, what=what)) from None


def unwritten(exercise: Exercise, source: str | bytes) -> list[str]:
    """The functions of `source` whose bodies are still those of the starter."""
    starter, mine = _bodies(exercise.source("starter")), _bodies(source)
    return [name for name in exercise.functions if name in mine and mine[name] == starter.get(name)]


def learner_source(path: Path) -> bytes:
    """The bytes of a learner's file; UserError when there is none to read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(_("there is no file '{path}'.").format(path=path)) from None
    except IsADirectoryError:
        raise UserError(_("'{path}' is a folder: name a Python file in it.").format(path=path)) from None


def _exercise(folder: Path, data: Any) -> Exercise:
    if unknown := set(data) - KNOWN:
        name = sorted(unknown)[0]
        raise ValueError(_("unknown field {name!r}").format(name=name))
    functions = tuple(data["functions"]) if "functions" in data else (data["function"],)
    ceilings = {name: float(times) for name, times in data.get("ceilings", {}).items()}
    if wrong := set(ceilings) - set(COSTS):
        name = sorted(wrong)[0]
        raise ValueError(_("unknown cost {name!r}: use {costs}").format(name=name, costs=commas(COSTS)))
    hints = tuple(_text(hint, "hints") for hint in data["hints"])
    if len(hints) != HINTS:
        raise ValueError(_("there must be {hints} hints, not {num_hints}").format(hints=HINTS, num_hints=len(hints)))
    if data["difficulty"] not in range(1, 6):
        raise ValueError(_("difficulty must be 1 to 5"))
    return Exercise(
        name=folder.name,
        topic=folder.parent.parent.name,
        path=folder,
        title=_text(data["title"], "title"),
        task=_text(data["task"], "task"),
        functions=functions,
        part=data.get("part"),
        minutes=int(data["minutes"]),
        difficulty=data["difficulty"],
        prerequisites=tuple(data.get("prerequisites", [])),
        labs=tuple(data.get("labs", [])),
        seconds=float(data.get("seconds", 10)),
        memory_mb=int(data.get("memory_mb", 1024)),
        ceilings=ceilings,
        forbidden=tuple(data.get("forbidden", [])),
        hints=hints,
    )


def _text(value: Any, field: str) -> Text:
    if (
        not isinstance(value, dict)
        or set(value) != {"zh", "en"}
        or not all(str(text).strip() for text in value.values())
    ):
        raise ValueError(_("{field} must have a text in zh and one in en").format(field=field))
    return Text(str(value["zh"]), str(value["en"]))


def _depth(exercise: Exercise, here: dict[str, Exercise], seen: tuple[str, ...] = ()) -> int:
    before = [here[name] for name in exercise.prerequisites if name in here and name not in seen]
    return 1 + max((_depth(other, here, (*seen, exercise.name)) for other in before), default=0)


def _bodies(source: str | bytes) -> dict[str, str]:
    """Function -> its body without the docstring, as a text that comments and layout do not change."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            found[node.name] = ast.dump(ast.Module(body, []))
    return found
