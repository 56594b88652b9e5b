"""What two runs differ in: computed from their configs and the hashes of their data, not asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fledge.course.markdown import shown, table
from fledge.lang import _, pgettext
from fledge.records import Run

# What names a run or keeps its files, and changes nothing of what it computes.
BOOKKEEPING = {"run", "resume", "val_every", "save_every", "keep", "tensorboard", "track", "track_project"}


@dataclass(frozen=True)
class Changes:
    """What two runs differ in, each as {name: (before, after)}."""

    settings: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """what was chosen: the config, the job, the training data"""
    around: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """what was not chosen, and can move numbers all the same: machine, precision, versions, validation data"""


def changes(before: Run, after: Run) -> Changes:
    """What differs between two runs."""
    one, two = _chosen(before), _chosen(after)
    settings = {name: (one.get(name), two.get(name)) for name in sorted(one.keys() | two.keys())}
    one, two = _around(before), _around(after)
    around = {name: (one.get(name), two.get(name)) for name in one}
    return Changes(*({name: pair for name, pair in all.items() if pair[0] != pair[1]} for all in (settings, around)))


def _chosen(run: Run) -> dict[str, Any]:
    found = {name: value for name, value in _flat(run.info.get("config") or {}).items() if name not in BOOKKEEPING}
    if "seeds" in found:  # of a lab: its first seed stands there too
        found.pop("seed", None)
    found[pgettext("of a run", "job")] = run.info.get("job")
    # A file of the same name may hold other text: what was read decides.
    found[_("content of the training data")] = _hashes(run, "train")
    return found


def _around(run: Run) -> dict[str, Any]:
    machine, versions = run.info.get("machine") or {}, run.info.get("versions") or {}
    return {
        _("processor"): machine.get("cpu"),
        _("graphics card"): machine.get("gpu"),
        _("device"): machine.get("device"),
        _("threads"): machine.get("threads"),
        _("precision"): run.info.get("precision"),
        "torch": versions.get("torch"),
        "fledge": versions.get("fledge"),
        _("commit"): (run.info.get("git_commit") or "")[:12] or None,
        _("content of the validation data"): _hashes(run, "val"),
    }


def _hashes(run: Run, which: str) -> str | None:
    inputs = ((run.info.get("data") or {}).get(which) or {}).get("inputs") or []
    return " ".join(str(entry.get("sha256", ""))[:8] for entry in inputs) or None


def told(found: Changes, before: Run, after: Run) -> str:
    """The differences as Markdown, and what they allow to conclude."""
    names = list(found.settings)
    if not names:
        said = _("Settings and data are the same: this is a repetition, and the difference between the two is noise.")
    elif names in (["seed"], ["seeds"]):
        said = _(
            "Only the seed differs: the difference between the two is noise; other changes must be larger than it."
        )
    elif len(names) == 1:
        said = _("One thing was changed: `{name}`.").format(name=names[0])
    else:
        said = _(
            "{num_names} things were changed, not one. So this comparison proves nothing about any single one of them; "
            "to know which one did it, change one at a time."
        ).format(num_names=len(names))
    parts = [said]
    if names:
        parts.append(table([["", before.name, after.name], *_pairs(found.settings)]))
    if found.around:
        parts.append(_("Not chosen, and different all the same (these can move numbers too):"))
        parts.append(table([["", before.name, after.name], *_pairs(found.around)]))
    return "\n\n".join(parts)


def _pairs(found: dict[str, tuple[Any, Any]]) -> list[list[str]]:
    return [[name, shown(one), shown(two)] for name, (one, two) in found.items()]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
