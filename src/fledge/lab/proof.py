"""That a lab proves what it claims: its full run, its null run and its sabotages, kept with a hash of what they stand on.

The hash is of the lab's own file and of every file of the engine that it imports, directly or not. What only asks, shows,
keeps or says (`ASIDE`) decides no number, and does not count.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge import proofs
from fledge.lab import verdict
from fledge.lab.results import Results
from fledge.lab.verdict import SUPPORTED

if TYPE_CHECKING:
    from fledge.lab.spec import Lab

SEEDS = range(verdict.ENOUGH_SEEDS)  # of the null run and the sabotages, which run small
SPREADS = 10.0
"""How many standard errors two means of the same thing may lie apart. With three seeds each, the estimate of the error
has four degrees of freedom, and chance alone passes 10 of them once in 1,800 comparisons."""
ROUNDING = (
    0.02  # and this share of the value on top: what another processor's rounding may do to a number without spread
)
ASIDE = {"__init__", "api", "cli", "course", "device", "display", "errors", "lang", "proofs", "records"}
ASIDE_OF_LAB = {"__init__", "figure", "grid", "predict", "proof", "script", "show", "spec"}


def files(lab_file: Path) -> list[Path]:
    """The lab's file, what runs and judges every lab, and what of the engine both import."""
    found: dict[Path, None] = {}
    waiting = [lab_file.resolve(), Path(verdict.__file__).resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found and not _aside(path):
            found[path] = None
            waiting += proofs._imported(path)
    return sorted(found)


def content(lab_file: Path) -> str:
    """The hash of everything that the lab's numbers stand on."""
    return proofs.content_hash(files(lab_file))


def record_of(lab_file: Path) -> dict[str, Any]:
    """What `docs/book.py --record` kept of the lab; empty when it was never recorded."""
    file = lab_file.parent / "results" / f"{lab_file.stem}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def is_fresh(lab_file: Path) -> bool:
    """Whether the record is of the lab and the engine as they are now."""
    return record_of(lab_file).get("proof", {}).get("content") == content(lab_file)


def prove(lab: Lab) -> tuple[Results, dict[str, Any]]:
    """The full run, and what to keep of it: verdicts, the null run's and the sabotages' verdicts, the hash."""
    results = verdict.execute(lab, lab.settings, range(lab.seeds))
    small = verdict.changed(lab, lab.quick)
    null = verdict.null(lab, small, SEEDS)
    broken = [verdict.verdicts(verdict.sabotaged(lab, sabotage, small, SEEDS)) for sabotage in lab.sabotages]
    return results, {
        "verdicts": verdict.verdicts(results),
        "proof": {
            "content": content(lab.path),
            "null": verdict.verdicts(null),
            "null_apart": farthest(null),
            "sabotages": [
                {claim: found[claim] for claim in sabotage.breaks} for sabotage, found in zip(lab.sabotages, broken)
            ],
        },
    }


def problems(lab: Lab, kept: dict[str, Any]) -> list[str]:
    """What a record does not prove: a claim not supported, found in the null run too, or not broken by its sabotage."""
    proof, found = kept["proof"], []
    if list(kept["verdicts"]) != [claim.name for claim in lab.claims]:
        return [f"the record judges {list(kept['verdicts'])}"]
    found += [f"'{name}' is {word}" for name, word in kept["verdicts"].items() if word != SUPPORTED]
    relative = [claim.name for claim in lab.claims if not claim.absolute]
    found += [f"'{name}' is found where nothing differs" for name in relative if proof["null"][name] == SUPPORTED]
    if proof["null_apart"] > SPREADS:
        found.append(f"arms that differ by their seeds alone lie {proof['null_apart']:.0f} standard errors apart")
    for sabotage, broken in zip(lab.sabotages, proof["sabotages"], strict=True):
        found += [
            f"'{name}' survives the sabotage '{sabotage.about.en}'"
            for name, word in broken.items()
            if word == SUPPORTED
        ]
    return found


def farthest(null: Results) -> float:
    """Of all numbers and all pairs of arms, how many standard errors the means of equal arms lie apart at most."""
    worst = 0.0
    for name, metric in null.lab.metrics.items():
        values = [null.values(arm, name) for arm in null.arms]
        if metric.noisy or values[0].ndim > 1:
            continue
        means = [float(one.mean()) for one in values]
        error = (2 * sum(float(one.var(ddof=1)) for one in values) / len(values) / len(values[0])) ** 0.5
        error += 1e-6 * max(abs(mean) for mean in means)  # what rounding alone does to a number that no seed changes
        worst = max(worst, (max(means) - min(means)) / error if error else 0.0)
    return round(worst, 2)


def drifted(results: Results, kept: dict[str, Any]) -> list[str]:
    """Numbers that a new run finds elsewhere than the record (and so the pages) say, beyond what seeds explain."""
    found = []
    for arm in results.arms:
        for name, metric in results.lab.metrics.items():
            values = results.values(arm, name)
            old = kept["metrics"].get(arm, {}).get(name)
            if metric.noisy or values.ndim > 1:
                continue
            if old is None:
                found.append(f"{arm}/{name} is not recorded")
                continue
            spread = max(float(values.std(ddof=1)), old["std"]) * (2 / len(values)) ** 0.5
            new = float(values.mean())
            if abs(new - old["mean"]) > SPREADS * spread + ROUNDING * abs(old["mean"]):
                found.append(f"{arm}/{name} is {new:.4g}, the record says {old['mean']:.4g}")
    return found


def _aside(path: Path) -> bool:
    if not path.is_relative_to(proofs.PACKAGE):
        return False
    area, *rest = path.relative_to(proofs.PACKAGE).with_suffix("").parts
    return area in ASIDE or (area == "lab" and rest[0] in ASIDE_OF_LAB)
