"""The experiment notebook: a dated record of a run, made from what the run itself wrote down.

Numbers come from run.json and metrics.jsonl alone. What only the learner knows, the hypothesis and the conclusion, is a
line to fill in when it is not given: nothing is invented. Two runs beside each other prove something about one setting
only when that is all they differ in, so what they differ in is computed from their configs and data, not asked for.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from fledge.course.comparing import changes, told
from fledge.course.markdown import section, shown, table, words
from fledge.course.sources import read_yaml
from fledge.course.workspace import write_once
from fledge.errors import UserError
from fledge.lang import Text, _, commas
from fledge.records import Run, status_word

NUMBERS = ("loss", "val_loss", "val_bpb")
SAMPLES, SAMPLE_CHARACTERS = 3, 300


def record(
    run: Run,
    against: Run | None = None,
    *,
    hypothesis: str | None = None,
    conclusion: str | None = None,
    today: date,
    beside: Path,
) -> str:
    """The record of a run as Markdown, in the learner's language; `beside` is the folder that it will lie in."""
    found = changes(against, run) if against else None
    what = "lab" if run.info.get("job") == "lab" else "run"
    if found is not None:  # a fair comparison, of one thing, is told apart: a learning path asks for one
        what = "comparison" if len(found.settings) == 1 else "against"
    names = _("{run} against {against}").format(run=run.name, against=against.name) if against else run.name
    runs = [run] if against is None else [against, run]
    expected = hypothesis or _("What I expect, and why: ______")
    learnt = conclusion or _("What the numbers say, and what they do not: ______")
    parts = [
        f"<!-- fledge log {what}: {run.name} -->",
        "# " + _("Experiment: {names}").format(names=names),
        _("written: {today}").format(today=today),
        section(_("Hypothesis"), expected),
        *([section(_("What was changed"), told(found, against, run))] if against and found else []),
        section(_("How it was done"), "\n\n".join(_how(one, titled=len(runs) > 1) for one in runs)),
        section(_("Results"), _results(runs)),
        *_lab_parts(run, beside),
        *_samples(runs),
        section(_("Conclusion"), learnt),
        section(_("Next"), _("The one thing to change next: ______")),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def training_table(runs: Iterable[Run]) -> str:
    """Every training run as a row of Markdown: date, command, memory, loss, the last sample."""
    head = _("date/command/memory (MB)/loss/sample")
    rows = [head.split("/")]
    for run in sorted(runs, key=lambda run: (run.info.get("started", ""), run.name)):
        if run.info.get("job") == "lab":
            continue
        said = [words(_sampled(row), 60) for row in run.samples()]
        rows.append(
            [
                str(run.info.get("started", ""))[:10],
                _command(run),
                shown(_memory(run)),
                _arrow(run, "loss"),
                said[-1] if said else "",
            ]
        )
    return table(rows)


def template(name: str) -> str:
    """An empty form in the learner's language."""
    found = templates()
    if name not in found:
        raise UserError(_("there is no template '{name}'; there are {found}.").format(name=name, found=commas(found)))
    return f"<!-- fledge log {name} -->\n{found[name].strip()}\n"


def templates() -> dict[str, str]:
    said = read_yaml(Path(__file__).parent / "templates.yaml")
    return {name: str(Text(**text)) for name, text in said.items()}


def write_new(folder: Path, name: str, text: str, today: date) -> Path:
    """Write folder/YYYY-MM-DD-name.md, with -2, -3, … behind it when that is taken: nothing is overwritten."""
    base = re.sub(r"[^\w.-]+", "-", name).strip("-") or "record"
    for number in range(1, 1000):
        file = folder / f"{today.isoformat()}-{base}{'' if number == 1 else f'-{number}'}.md"
        if write_once(file, text):
            return file
    raise UserError(
        _("'{folder}' holds a thousand records called '{base}': move some away.").format(folder=folder, base=base)
    )


# What one run says


def _how(run: Run, titled: bool) -> str:
    machine, versions = run.info.get("machine") or {}, run.info.get("versions") or {}
    parts = [machine.get("cpu"), machine.get("gpu")]
    cores, memory = machine.get("cores"), machine.get("ram_gb")
    parts += [_("{cores} cores").format(cores=cores) if cores else None, f"{memory} GB" if memory else None]
    lines = [
        (_("command"), _command(run)),
        (_("data"), _data(run)),
        (_("seed"), shown(run.info.get("seed"))),
        (_("machine"), ", ".join(str(part) for part in parts if part)),
        (_("precision"), shown(run.info.get("precision"))),
        (_("versions"), ", ".join(f"{name} {versions[name]}" for name in ("fledge", "torch") if versions.get(name))),
        (_("commit"), (run.info.get("git_commit") or "")[:12]),
        (_("started"), str(run.info.get("started") or "")),
        (_("record"), f"`{run.path.as_posix()}`"),
    ]  # fmt: skip
    head = [f"**{run.name}**", ""] if titled else []
    return "\n".join([*head, *(f"- {name}: {value}" for name, value in lines if value and value != "-")])


def _command(run: Run) -> str:
    return f"`{run.info['command']}`" if run.info.get("command") else ""


def _data(run: Run) -> str:
    train = (run.info.get("data") or {}).get("train") or {}
    files = [f"{entry.get('file')} (sha256 {str(entry.get('sha256', ''))[:8]})" for entry in train.get("inputs") or []]
    tokens = train.get("tokens")
    return ", ".join(files) + (_(", {tokens:,} tokens").format(tokens=tokens) if files and tokens else "")


def _results(runs: Sequence[Run]) -> str:
    rows = [["", *(run.name for run in runs)], [_("status"), *(status_word(run.status()) for run in runs)]]
    names = {
        "loss": _("training loss, first → last"),
        "val_loss": _("validation loss, first → last"),
        "val_bpb": _("bits per byte, first → last"),
    }
    rows += [[names[name], *(_arrow(run, name) for run in runs)] for name in NUMBERS]
    rows.append([_("steps"), *(shown(_last(run, "step")) for run in runs)])
    tokens = (_last(run, "tokens") for run in runs)
    rows.append([_("tokens"), *("-" if count is None else f"{count:,}" for count in tokens)])
    rows.append([_("seconds"), *(shown(_seconds(run)) for run in runs)])
    rows.append([_("peak memory (MB)"), *(shown(_memory(run)) for run in runs)])
    said = table([row for row in rows if any(cell not in ("-", "") for cell in row[1:])])
    unfinished = [run.name for run in runs if run.info.get("status") != "done"]
    if unfinished:
        said += "\n\n" + _("Not finished: {unfinished}; its numbers go as far as it got.").format(
            unfinished=commas(unfinished)
        )
    return said


def _lab_parts(run: Run, beside: Path) -> list[str]:
    """Of a lab: what was predicted, the verdict on every claim, and the picture."""
    results, config = run.info.get("results") or {}, run.info.get("config") or {}
    if run.info.get("job") != "lab":
        return []
    words = {
        "SUPPORTED": _("supported"),
        "NOT SUPPORTED": _("not supported"),
        "INCONCLUSIVE": _("inconclusive"),
    }
    lines = [f"- {name}: {words.get(word, word)}" for name, word in (results.get("verdicts") or {}).items()]
    arms = ", ".join(
        f"{arm} {json.dumps(change, ensure_ascii=False)}" for arm, change in (config.get("arms") or {}).items()
    )
    arms = _("arms: {arms}").format(arms=arms)
    parts = [section(_("Lab"), f"`{config.get('lab')}`\n\n{arms}")]
    if guess := results.get("prediction"):
        right = _("right") if guess.get("right") else _("wrong")
        choice, outcome = guess.get("choice"), guess.get("outcome")
        if (sure := guess.get("confidence")) is not None:
            choice = f"{choice} ({sure:.0%})"
        lines.insert(
            0, _("- prediction: {choice} → {outcome}, {right}").format(choice=choice, outcome=outcome, right=right)
        )
    parts.append(section(_("Prediction and verdicts"), "\n".join(lines)))
    if (run.path / "figure.png").is_file():
        try:
            where = Path(os.path.relpath(run.path / "figure.png", beside)).as_posix()
        except ValueError:  # Windows: another drive
            where = (run.path / "figure.png").as_posix()
        parts.append(f"![{config.get('lab')}]({where})")
    return parts


def _samples(runs: Sequence[Run]) -> list[str]:
    """What each run wrote at its last sampling."""
    parts = []
    for run in runs:
        rows = run.samples()
        last = [row for row in rows if row.get("step") == rows[-1].get("step")][:SAMPLES] if rows else []
        if last:
            text = "\n".join(words(_sampled(row), SAMPLE_CHARACTERS) for row in last)
            fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
            title = f"**{run.name}**\n\n" if len(runs) > 1 else ""
            parts.append(f"{title}{fence}text\n{text}\n{fence}")
    return [section(_("Samples"), "\n\n".join(parts))] if parts else []


def _sampled(row: dict[str, Any]) -> str:
    return f"{row.get('prompt', '')}▸{row.get('text', '')}"


def _arrow(run: Run, name: str) -> str:
    """first → last of what was logged under that name."""
    values = [row[name] for row in run.metrics() if isinstance(row.get(name), (int, float))]
    return "-" if not values or run.info.get("job") == "lab" else f"{values[0]:.3f} → {values[-1]:.3f}"


def _last(run: Run, name: str) -> Any:
    values = [row[name] for row in run.metrics() if isinstance(row.get(name), (int, float))]
    return values[-1] if values and run.info.get("job") != "lab" else None


def _seconds(run: Run) -> float | None:
    seconds = (run.info.get("results") or {}).get("seconds", _last(run, "seconds"))
    return round(seconds, 1) if isinstance(seconds, (int, float)) else None


def _memory(run: Run) -> float | None:
    values = [row["memory_mb"] for row in run.metrics() if isinstance(row.get("memory_mb"), (int, float))]
    return max(values, default=None)
