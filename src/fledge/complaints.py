"""What argparse says of a mistake, in the learner's language: it speaks English only."""

from __future__ import annotations

import re

from fledge.lang import N_, _

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
    """The complaint without its full stop; one that is not known stands as it is, in Chinese in brackets."""
    for pattern, words in _COMPLAINTS:
        if found := re.fullmatch(pattern, complaint, re.DOTALL):
            return str(words).format(**found.groupdict())
    return _("{complaint}").format(complaint=complaint)
