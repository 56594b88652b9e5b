"""`fledge eval MODEL`: what a model knows about its world, and how well it predicts any text."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fledge.cli.flags import parse
from fledge.cli.parts import Choice, announce
from fledge.errors import UserError
from fledge.lang import _


@dataclass
class Flags:
    """Measure a model on the world (bits per byte beside the floor, answers beside chance), or on text files."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """a run's name, or a model folder"""
    world: Literal["tiny", "small", "large"] | None = None
    """size of the world; small when no --text is given"""
    seed: int = 0
    """seed of the world"""
    text: tuple[str, ...] = ()
    """files to score (plain text, .jsonl, .csv, .parquet, …): bits per byte and perplexity"""
    window: int | None = None
    """tokens that the model sees at once; its whole context when left out"""
    per_family: int = 200
    """questions of each kind that are asked about the world"""
    answers: str | None = None
    """write every question, answer and mark to this JSONL file"""
    device: str = "auto"
    """cpu, cuda, mps or auto"""
    whose: Choice = field(default_factory=Choice)
    json: bool = False
    """print JSON"""


def main(argv: list[str]) -> int:
    flags = parse(Flags, argv, "fledge eval")
    _check(flags)
    from fledge.api import load
    from fledge.display.terminal import bar
    from fledge.evaluate.report import print_scores, print_world
    from fledge.evaluate.text import score_file
    from fledge.evaluate.world import evaluate_world
    from fledge.world import World

    lm = load(flags.model, device=flags.device, **vars(flags.whose))
    announce(lm)
    result: dict[str, Any] = {"model": flags.model}
    if flags.text:
        scores = {}
        for name in flags.text:
            with bar(Path(name).name) as advance:
                scores[name] = score_file(lm.model, lm.tokenizer, name, window=flags.window, advance=advance)
        result["text"] = {
            name: asdict(score) | {"bpb": score.bpb, "perplexity": score.perplexity} for name, score in scores.items()
        }
        if not flags.json:
            print_scores(scores)
    if flags.world or not flags.text:
        world = World.build(flags.world or "small", flags.seed)
        with bar(_("world")) as advance:
            report = evaluate_world(
                lm.model, lm.tokenizer, world, per_family=flags.per_family, window=flags.window, advance=advance
            )
        result |= report.to_dict()
        if flags.answers:
            lines = [json.dumps(answer.to_dict(), ensure_ascii=False) + "\n" for answer in report.answers]
            Path(flags.answers).write_text("".join(lines), encoding="utf-8", newline="\n")
        if not flags.json:
            print_world(report)
    if flags.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0


def _check(flags: Flags) -> None:
    """What cannot work is said before the model is loaded and minutes of measuring are lost."""
    from fledge.data.readers import check_file

    for name in flags.text:
        check_file(name)
    if flags.per_family < 1:
        raise UserError(_("--per-family is {per_family}; it must be at least 1.").format(per_family=flags.per_family))
    if flags.answers and not Path(flags.answers).absolute().parent.is_dir():
        raise UserError(_("'{answers}' cannot be written: make its folder first.").format(answers=flags.answers))
