"""What `python exp1_….py` does, and `fledge lab run`: ask for a prediction, run, judge, draw, and keep the record."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fledge.course.onward import next_lines
from fledge.course.progress import open_progress
from fledge.course.workspace import find_workspace
from fledge.errors import UserError, suggest, translated
from fledge.lab import figure, predict, verdict
from fledge.lab.results import Results
from fledge.lab.show import show
from fledge.lang import _, pgettext, use_utf8
from fledge.records import Run

if TYPE_CHECKING:
    from fledge.lab.spec import Lab


def main(lab: Lab, argv: Sequence[str]) -> int:
    """Exit code: 0 when the lab ran, whatever its verdicts; 2 for a mistake in `argv`; 130 when it was stopped."""
    use_utf8()
    try:
        run(lab, argv)
        return 0
    except UserError as error:
        print(_("error: {error}").format(error=error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(_("\nstopped; nothing was recorded."), file=sys.stderr)
        return 130


def run(lab: Lab, argv: Sequence[str]) -> Run:
    """Run the lab as `argv` says, print what came out, and return its record."""
    flags = parse(lab, argv)
    settings = settings_of(lab, flags)
    count = flags.seeds or (min(lab.seeds, verdict.ENOUGH_SEEDS) if flags.quick else lab.seeds)
    root = flags.out or Path(os.environ.get("FLEDGE_RUNS") or find_workspace().runs)
    if not flags.json:
        print(f"{lab.id}\n{lab.title}\n")
    prediction = predict.given(lab, flags.predict, ask=not (flags.json or flags.no_predict))
    results = _execute(lab, settings, range(flags.seed, flags.seed + count))
    record = keep(results, prediction, quick=flags.quick, root=root)
    found = record.info["results"]
    with open_progress() as progress:
        if prediction:
            progress.add("prediction", lab.id, run=record.name, **found["prediction"])
        seconds = round(results.seconds, 1)
        progress.add("lab", lab.id, run=record.name, verdicts=found["verdicts"], quick=flags.quick, seconds=seconds)
        onward = [] if flags.json else next_lines(progress)
    if flags.json:
        print(json.dumps({"run": record.path.as_posix(), **found}, ensure_ascii=False))
        return record
    ours = settings == lab.settings and count >= lab.seeds
    show(results, found.get("prediction"), ours=ours)
    print(_("\npicture and record: {path}").format(path=record.path.as_posix()), *onward, sep="\n")
    return record


def settings_of(lab: Lab, flags: argparse.Namespace) -> Any:
    """The lab's settings as the flags say; UserError for what is out of its range."""
    chosen = {item.name: getattr(flags, item.name) for item in visible(lab) if getattr(flags, item.name) is not None}
    return verdict.changed(lab, (dict(lab.quick) if flags.quick else {}) | chosen)


def keep(results: Results, prediction: predict.Guess | None, *, quick: bool, root: Path) -> Run:
    """Write the run folder: run.json, a line of metrics for every arm and seed, and the picture as PNG and SVG."""
    lab = results.lab
    config = {
        "lab": lab.id,
        "settings": dataclasses.asdict(results.settings),
        "arms": {arm: dict(change) for arm, change in lab.arms.items()},
        "seeds": results.seeds,
        "seed": results.seeds[0],
        "quick": quick,
    }
    record = Run.create("lab", config, f"{lab.path.stem}-{datetime.now():%Y%m%d-%H%M%S}", root=root)
    for arm, rows in results.rows.items():
        for seed, row in zip(results.seeds, rows):
            record.log(arm=arm, seed=seed, **row)
    found: dict[str, Any] = {
        "verdicts": verdict.verdicts(results),
        "metrics": results.summary(),
        "landmarks": landmarks(results),
        "seconds": round(results.seconds, 2),
    }
    if prediction:
        found["prediction"] = predict.judged(results, prediction)
    figure.save_png(results, record.path / "figure.png")
    (record.path / "figure.svg").write_text(figure.svg(results), encoding="utf-8", newline="\n")
    record.finish(**found)
    return record


def landmarks(results: Results) -> dict[str, dict[str, float]]:
    """{metric: {chance, floor}} where they are known."""
    found = {}
    for name, metric in results.lab.metrics.items():
        marks = {which: metric.landmark(which, results.settings) for which in ("chance", "floor")}
        if known := {which: value for which, value in marks.items() if value is not None}:
            found[name] = known
    return found


def visible(lab: Lab) -> list[dataclasses.Field]:
    """The settings that are flags: neither hidden nor the one that the arms set."""
    fields = dataclasses.fields(lab.settings)
    return [item for item in fields if not item.metadata["hidden"] and item.name != lab.varied]


def parse(lab: Lab, argv: Sequence[str]) -> argparse.Namespace:
    """The flags that every lab has, and one for each of its settings."""
    about = f"{lab.id}: {lab.title}\n\n{lab.about}"
    parser = _Parser(prog=lab.path.name, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=_("a small version, in seconds"))
    parser.add_argument("--seed", type=int, default=0, help=_("the first seed"))
    parser.add_argument("--seeds", type=_count, help=_("how many seeds ({seeds})").format(seeds=lab.seeds))
    words = _("guess first: {options}").format(options=" | ".join(lab.prediction.options))
    parser.add_argument("--predict", metavar="CHOICE[:PERCENT]", help=words)
    parser.add_argument("--no-predict", action="store_true", help=_("do not ask for a guess"))
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON line"))
    parser.add_argument("--out", type=Path, help=_("the folder for the record"))
    group = parser.add_argument_group(_("settings of this lab"))
    for item in visible(lab):
        known, value = item.metadata, getattr(lab.settings, item.name)
        span = "|".join(known["choices"]) or f"{known['low']}–{known['high']}"
        flag = f"--{item.name.replace('_', '-')}"
        group.add_argument(flag, dest=item.name, type=type(value), metavar=type(value).__name__.upper(),
                           help=f"{known['about']} ({span}; {value})")  # fmt: skip
    return parser.parse_args(list(argv))


class _Parser(argparse.ArgumentParser):
    """A mistake becomes one sentence."""

    def error(self, message: str) -> NoReturn:
        flags = [flag for action in self._actions for flag in action.option_strings]
        unknown = message.partition("unrecognized arguments: ")[2].split()
        hint = suggest(unknown[0].partition("=")[0], flags) if unknown else ""
        hint = hint or _(" See `python {prog} --help`.").format(prog=self.prog)
        said = translated(message)
        raise UserError(_("{prog}: {said}.{hint}").format(prog=self.prog, said=said, hint=hint))


def _count(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(_("'{word}' is not a number of seeds").format(word=word))
    return int(word)


def _execute(lab: Lab, settings: Any, seeds: Sequence[int]) -> Results:
    """`verdict.execute` with a bar on stderr."""
    from fledge.display.terminal import bar

    with bar(pgettext("a lab", "running"), len(lab.arms) * len(seeds)) as advance:
        return verdict.execute(lab, settings, seeds, tick=lambda: advance(1))
