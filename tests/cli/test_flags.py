"""Flags come from dataclasses, and a mistake in them is one sentence."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tyro

from fledge.cli.flags import parse, subverb
from fledge.errors import UserError


@dataclass
class Sampling:
    temperature: float = 0.7
    """Heat."""


@dataclass
class Config:
    """Train something."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """what to load"""
    data: Annotated[tuple[Path, ...], tyro.conf.arg(aliases=["-d"])] = ()
    """text files"""
    steps: int | None = None
    """how many updates"""
    learning_rate: float = 1e-3
    """step size"""
    kind: Literal["dense", "moe"] = "dense"
    """what to build"""
    resume: bool = False
    """go on"""
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise ValueError("steps must be positive")


def build(*argv: str, default: Config | None = None) -> Config:
    return parse(Config, argv, "fledge try", default=default)


def test_values_reach_the_fields():
    data, numbers = ["--data", "a.txt", "b.txt"], ["--steps", "5", "--learning_rate", "2", "--temperature", "0"]
    assert build("m", *data, *numbers, "--kind", "moe", "--resume") == Config(
        "m", (Path("a.txt"), Path("b.txt")), 5, 2.0, "moe", True, Sampling(0.0)
    )
    assert build("m", "--steps", "None") == Config("m")


def test_flags_change_a_default_instance():
    assert build("--steps", "7", default=Config("m", steps=5, kind="moe")) == Config("m", steps=7, kind="moe")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ("m --stpes 5", "'--stpes' is not a flag of `fledge try`. Did you mean '--steps'?"),
        ("m --learn_rate=5", "'--learn_rate' is not a flag of `fledge try`. Did you mean '--learning-rate'?"),
        ("m --data a --temprature 5", "'--temprature' is not a flag of `fledge try`. Did you mean '--temperature'?"),
        ("m -d a --temprature 5", "'--temprature' is not a flag of `fledge try`. Did you mean '--temperature'?"),
        ("m --qqq", "'--qqq' is not a flag of `fledge try`. See `fledge try --help`."),
        ("m --steps five", "--steps: 'five' is not a whole number. See `fledge try --help`."),
        ("m --learning-rate 快", "--learning-rate: '快' is not a number. See `fledge try --help`."),
        ("m --steps 0", "steps must be positive. See `fledge try --help`."),
        ("m extra", "`fledge try` does not know what to do with 'extra'. See `fledge try --help`."),
        ("--steps 5", "MODEL (what to load) is missing. See `fledge try --help`."),
    ],
)
def test_a_mistake_is_one_sentence(argv, sentence, capsys):
    with pytest.raises(UserError) as caught:
        build(*argv.split())
    assert str(caught.value) == sentence
    assert capsys.readouterr() == ("", "")  # tyro's box of text is not shown


@pytest.mark.parametrize("argv", ["m --kind sparse", "m --steps"])
def test_choices_and_missing_values_name_the_flag(argv):
    with pytest.raises(UserError, match=argv.split()[1]) as caught:
        build(*argv.split())
    assert "\n" not in str(caught.value)


def test_help_shows_docstrings_and_plain_types(capsys):
    with pytest.raises(SystemExit) as stop:
        build("--help")
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for words in (
        "Train something.",
        "MODEL",
        "how many updates",
        "--steps INT",
        "--temperature FLOAT",
        "(default: 0.001)",
    ):
        assert words in out


def test_a_function_is_called_and_may_write_to_stderr(capsys):
    def job(steps: int, name: str = "x") -> str:
        """Do it."""
        print("warning", file=sys.stderr)
        return name * steps

    assert parse(job, ["--steps", "3"], "fledge try") == "xxx"
    assert capsys.readouterr().err == "warning\n"
    with pytest.raises(UserError, match="'--step' is not a flag"):
        parse(job, ["--step", "3"], "fledge try")


def test_subverbs(capsys):
    table = {"list": (lambda argv: len(argv), "show all"), "plot": (lambda argv: 9, "draw")}
    assert subverb(table, ["list", "a", "b"], "fledge try") == 2
    assert subverb(table, [], "fledge try") == 0
    assert "list  show all" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"`fledge try` knows no 'lst'. Did you mean 'list'"):
        subverb(table, ["lst"], "fledge try")
