"""What a user did wrong, in one sentence: what, where, what to do, in the words of the command that was typed.

A sentence names settings, and the front door that was opened spells them: `flag("lr")` is `--lr` for `fledge train`, and
`--learning_rate` in a door that calls it so. A setting that a door cannot change is spelled "", and `advice` leaves it out.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar

from fledge.lang import N_, _, commas


class UserError(Exception):
    """A mistake the user can mend. The command line prints its message and exits with code 2; it is never a traceback.

    The message is for people, in their language; `kind` names the mistake to programs, where one must know it.
    """

    kind: str | None = None


class NotWritten(UserError):
    """What a skeleton of `fledge new` raises where nobody has written anything yet."""

    def __init__(self, what: str, file: str):
        super().__init__(
            _("not attempted: `{what}` in '{file}' is still as the skeleton has it; write it, then try again.").format(
                what=what, file=file
            )
        )


def suggest(word: str, options: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` (in the user's language) for the nearest of `options`; nothing when none is near."""
    options = list(options)
    begun = [
        option for option in options if len(word.strip("-")) > 2 and option.startswith(word)
    ]  # --temp: an abbreviation
    near = begun or difflib.get_close_matches(word, options, n=1, cutoff=0.5)
    return _(" Did you mean '{near}'?").format(near=near[0]) if near else ""


class Spelling:
    """How a front door spells what a sentence tells its user to type. This one is `fledge`'s own."""

    def flag(self, setting: str, value: object = None) -> str:
        """The argument for a setting, with its value when one is given; "" when this door cannot change the setting."""
        name = f"--{setting.replace('_', '-')}"
        return name if value is None or value is True else f"{name} {quoted(value)}"

    def train(self, job: str) -> str:
        """The command that trains a job."""
        return f"fledge train {job}"

    def resume(self, job: str, run: str) -> str:
        """The command that goes on with a run."""
        return f"fledge train {job} --run {quoted(run)} --resume"


def quoted(value: object) -> str:
    """A value as it has to be typed in this system's shell: a name with blanks in quotes, a Chinese one as it is."""
    word = str(value)
    if sys.platform == "win32":
        return subprocess.list2cmdline([word])
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else shlex.quote(word)


_OWN = Spelling()
_spelling: ContextVar[Spelling] = ContextVar("spelling")


@contextlib.contextmanager
def spelled(spelling: Spelling) -> Iterator[None]:
    """Inside, sentences are spelled so."""
    token = _spelling.set(spelling)
    try:
        yield
    finally:
        _spelling.reset(token)


def flag(setting: str, value: object = None) -> str:
    """`--seq-len`, or with a value `--device cpu`, as the door that was opened spells it; "" when it cannot change it."""
    return _spelling.get(_OWN).flag(setting, value)


def train_command(job: str) -> str:
    """What the user of this door types to train a job."""
    return _spelling.get(_OWN).train(job)


def resume_command(job: str, run: str) -> str:
    """What the user of this door types to go on with a run."""
    return _spelling.get(_OWN).resume(job, run)


def advice(*ways: tuple[str, str]) -> str:
    """The ways out that this door has, as one list: "a lower --lr, a longer --warmup or --precision fp32".

    A way is (setting, phrase) with `{}` in the phrase where the flag goes, e.g. ("lr", "a lower {}"); the setting may carry a
    value ("precision=fp32"), or be "" when no flag is needed.
    """
    found = []
    for setting, phrase in ways:
        name, __, value = setting.partition("=")
        word = flag(name, value or None) if name else ""
        if word or not name:
            found.append(phrase.replace("{}", word))
    head, last = found[:-1], found[-1:]
    return commas(head) + (_(" or ") if head else "") + "".join(last)


# What argparse says of a mistake: it speaks English only.
_COMPLAINTS = (
    (r"unrecognized arguments: (?P<words>.*)", N_("unrecognized arguments: {words}")),
    (
        r"ambiguous option: (?P<flag>\S+) could match (?P<flags>.*)",
        N_("ambiguous option: {flag} could match {flags}"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): invalid int value: (?P<value>.*)",
        N_("{flag}: invalid int value: {value}"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): invalid float value: (?P<value>.*)",
        N_("{flag}: invalid float value: {value}"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): expected one argument",
        N_("{flag}: expected one argument"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): invalid choice: (?P<value>.*) \(choose from (?P<choices>.*)\)",
        N_("{flag}: invalid choice: {value} (choose from {choices})"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): ignored explicit argument (?P<value>.*)",
        N_("{flag}: ignored explicit argument {value}"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): (?P<said>.*)",
        N_("{flag}: {said}"),
    ),  # of a type of ours: translated
)


def translated(complaint: str) -> str:
    """What argparse complains of, in the learner's language, without its full stop; what is not known stands as it is, in
    Chinese in brackets."""
    for pattern, words in _COMPLAINTS:
        if found := re.fullmatch(pattern, complaint, re.DOTALL):
            return str(words).format(**found.groupdict())
    return _("{complaint}").format(complaint=complaint)
