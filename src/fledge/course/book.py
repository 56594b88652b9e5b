"""Where the book is: `modules/` of the checkout, or the copy inside the installed package; and its topics."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fledge.errors import UserError, suggest
from fledge.lang import N_, _, commas

PACKAGE = Path(__file__).resolve().parent.parent
KINDS = {"topic": N_("topic"), "lab": N_("lab"), "exercise": N_("exercise")}


@dataclass(frozen=True)
class Topic:
    """One folder of the book, e.g. modules/01-foundation/01-normalization."""

    name: str
    tier: str
    path: Path

    @property
    def labs(self) -> list[Path]:
        """The experiments, in order; a door to another experiment is none."""
        return [file for file in sorted((self.path / "experiments").glob("exp*.py")) if not is_door(file)]


def is_checkout() -> bool:
    """Whether this package runs from the project's own folder and not from an installation."""
    return (PACKAGE.parent.parent / "start.py").is_file() and PACKAGE.parent.name == "src"


def checkout() -> Path:
    """The project's folder; only where `is_checkout()`."""
    return PACKAGE.parent.parent


def book_root() -> Path:
    """The folder `modules`."""
    root = checkout() / "modules" if is_checkout() else PACKAGE / "modules"
    if not root.is_dir():
        raise UserError(_("the book is missing: there is no folder '{root}'; install Fledge again.").format(root=root))
    return root


@functools.cache
def topics() -> tuple[Topic, ...]:
    """Every topic, in the order of the book."""
    folders = sorted(path for path in book_root().glob("[0-9][0-9]-*/[0-9][0-9]-*") if path.is_dir())
    return tuple(Topic(path.name, path.parent.name, path) for path in folders)


def find_topic(word: str, fit: Callable[[Topic], bool] = lambda topic: True) -> Topic:
    """The topic of that name, or of the only one that holds the word; UserError otherwise.

    Where several hold it, only those that `fit` what is asked for (that have a quiz, say) count.
    """
    found = [topic for topic in topics() if word in topic.name and fit(topic)]
    names = [topic.name for topic in found or topics()]
    return next(topic for topic in topics() if topic.name == pick(word, names, "topic"))


def find_lab(word: str) -> tuple[Topic, Path]:
    """The lab "topic/stem", or the only one whose id holds the word; the start of a stem wins over its middle."""
    labs = {f"{topic.name}/{path.stem}": (topic, path) for topic in topics() for path in topic.labs}
    return labs[pick(word.removesuffix(".py"), labs, "lab")]


def pick(word: str, names: Iterable[str], what: str) -> str:
    """The one of `names` that `word` means: itself, the last part after "/", or the only one that contains it."""
    names = list(names)
    kind = str(KINDS[what])
    for fits in (
        [name for name in names if word in (name, name.rpartition("/")[2])],
        [name for name in names if word and word in name],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise UserError(
                _("'{word}' fits several: {fits}; write more of the name of the {kind}.").format(
                    word=word, fits=commas(fits), kind=kind
                )
            )
    near = suggest(word, names) or _(" There are: {names}.").format(names=commas(names))
    raise UserError(_("there is no {kind} '{word}'.{near}").format(kind=kind, word=word, near=near))


def load_file(path: Path, name: str) -> ModuleType:
    """Run a Python file of the book as a module of its own; `name` must be unique."""
    if name in sys.modules and sys.modules[name].__file__ == str(path):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def is_door(path: Path) -> bool:
    """A file that only runs another experiment, under a second name that other documents use."""
    return "runpy" in path.read_text(encoding="utf-8")
