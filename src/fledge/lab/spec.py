"""What a lab is: arms that differ in one setting, seeds, metrics, claims, a prediction, and how to break it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.lang import Text

if TYPE_CHECKING:
    from fledge.lab.figure import Figure
    from fledge.lab.results import Results

Value = float | list[float] | list[list[float]]  # a number, a curve, or a matrix
Arm = Mapping[str, Any]  # metric -> value, of one arm and one seed


def param(
    default: Any,
    *,
    zh: str,
    en: str,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    hidden: bool = False,
) -> Any:
    """A field of a lab's settings: what it is in words, and its range, so that a page can offer it as a slider.

    A number needs `low` and `high`. A `hidden` one is no flag: only a sabotage changes it.
    """
    about = {"about": Text(zh, en), "low": low, "high": high, "choices": tuple(choices), "hidden": hidden}
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class Metric:
    """What a number that `run` returns means.

    format: how one value is written. chance: what guessing would give, floor: what nothing can beat (a number, or a
    function of the settings). noisy: it depends on the machine, like a time.
    """

    about: Text
    format: str = ".3f"
    chance: float | Callable[[Any], float] | None = None
    floor: float | Callable[[Any], float] | None = None
    noisy: bool = False

    def landmark(self, which: str, settings: Any) -> float | None:
        """`chance` or `floor` under these settings."""
        value = getattr(self, which)
        return value(settings) if callable(value) else value


@dataclass(frozen=True)
class Claim:
    """A sentence, and the predicate over the arms of one seed that makes it true.

    absolute: it is no difference between arms, so that it holds in the null arm too.
    """

    name: str
    text: Text
    holds: Callable[[Mapping[str, Arm]], bool]
    absolute: bool = False


@dataclass(frozen=True)
class Sabotage:
    """Settings that take the mechanism away from every arm: the named claims must then fail."""

    change: Mapping[str, Any]
    breaks: tuple[str, ...]
    about: Text


@dataclass(frozen=True)
class Prediction:
    """What the learner is asked before the run: a question, options, and which option the results prove right."""

    question: Text
    options: Mapping[str, Text]
    outcome: Callable[[Results], str]


@dataclass(frozen=True)
class Lab:
    """A contrast experiment. See the fields' types; `run(settings, seed)` is one arm with one seed."""

    title: Text
    about_zh: str
    """what the docstring of the lab's file says, in Chinese"""
    settings: Any
    arms: Mapping[str, Mapping[str, Any]]
    run: Callable[[Any, int], dict[str, Any]]
    metrics: Mapping[str, Metric]
    claims: Sequence[Claim]
    sabotages: Sequence[Sabotage]
    prediction: Prediction
    figure: Callable[[Results, Figure], None]
    labels: Mapping[str, Text]
    seeds: int = 5
    quick: Mapping[str, Any] = field(default_factory=dict)
    why: Text | None = None
    """what explains the first claim, in a sentence or two: printed when a full run supports it"""

    def __post_init__(self) -> None:
        for problem in self.problems():
            raise ValueError(f"{self.path.name}: {problem}")

    @property
    def path(self) -> Path:
        """The lab's file."""
        return Path(inspect.getfile(inspect.unwrap(self.run))).resolve()

    @property
    def id(self) -> str:
        """`topic/stem`, e.g. 01-normalization/exp1_gradient_vanishing."""
        return f"{self.path.parent.parent.name}/{self.path.stem}"

    @property
    def about(self) -> Text:
        """What is asked, how, and why: the docstring of the lab's file, and the same in Chinese."""
        docstring = inspect.unwrap(self.run).__globals__["__doc__"] or ""
        return Text(inspect.cleandoc(self.about_zh), inspect.cleandoc(docstring))

    @property
    def varied(self) -> str:
        """The one setting in which the arms differ."""
        return next(iter(next(iter(self.arms.values()))))

    def with_arm(self, settings: Any, arm: str) -> Any:
        return dataclasses.replace(settings, **self.arms[arm])

    def problems(self) -> list[str]:
        """What is wrong with this lab as an experiment; a lab with any cannot be made."""
        names = {field.name for field in dataclasses.fields(self.settings)}
        keys = [tuple(change) for change in self.arms.values()]
        found = []
        if len(self.arms) < 2 or len(set(keys)) != 1 or len(keys[0]) != 1:
            found.append("every arm must set the same one setting, and there must be two arms")
        elif len({str(change) for change in self.arms.values()}) < len(self.arms):
            found.append("two arms are the same")
        used = {
            key for overlay in [*self.arms.values(), *(s.change for s in self.sabotages), self.quick] for key in overlay
        }
        found += [f"there is no setting '{key}'" for key in sorted(used - names)]
        if set(self.labels) != set(self.arms):
            found.append("every arm needs a label")
        claims = [claim.name for claim in self.claims]
        if not claims or len(set(claims)) < len(claims):
            found.append("claims need names of their own")
        broken = {name for sabotage in self.sabotages for name in sabotage.breaks}
        found += [f"a sabotage names the unknown claim '{name}'" for name in sorted(broken - set(claims))]
        found += [f"no sabotage breaks the claim '{name}'" for name in claims if name not in broken]
        if self.seeds < 3:
            found.append("fewer than three seeds prove nothing")
        for item in dataclasses.fields(self.settings):
            about = item.metadata
            value = getattr(self.settings, item.name)
            if not about:
                found.append(f"the setting '{item.name}' must be a param(…)")
            elif isinstance(value, str) and value not in about["choices"]:
                found.append(f"the setting '{item.name}' must be one of its choices")
            elif (
                isinstance(value, (int, float))
                and not isinstance(value, bool)
                and None in (about["low"], about["high"])
            ):
                found.append(f"the setting '{item.name}' needs low and high")
        return found

    def main(self, argv: Sequence[str] | None = None) -> None:
        """What the file does as a script: run, draw, judge, record; leaves with an exit code."""
        import sys

        from fledge.lab.script import main

        sys.exit(main(self, sys.argv[1:] if argv is None else list(argv)))
