"""Machines to plan for: graphics cards by their makers' figures, and what this user's machines were measured to do and past
runs on them taught, kept in one small JSON file of the cache folder."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fledge.errors import UserError, suggest
from fledge.lang import _, commas, ngettext
from fledge.records import Run, cache_root, write_atomic

GIB = 2**30
# Assumptions for a card that nobody has measured; `fledge plan --calibrate` replaces them on the machine itself.
MATMUL_SHARE = 0.6  # of the maker's matmul figure that a training step reaches
BANDWIDTH_SHARE = 0.7
KERNEL_SECONDS = 8e-6  # to launch one kernel from Python
CONTEXT_GB = 0.5  # CUDA's own memory, and cuBLAS's work space
DESKTOP_GB = 0.6  # what the screen of a desktop takes of a card that also shows it
# Of the tensors: memory that the allocator holds and cannot use. On a CPU glibc keeps freed blocks up to 32 MB for later
# ones of other sizes: 0.3 to 0.9 measured (bench/plan_accuracy.py). On a GPU an assumption.
FRAGMENTS = {"cuda": 0.06, "cpu": 0.6}


@dataclass(frozen=True)
class Machine:
    """What a plan has to know. `flops` and `bandwidth` are what a training step reaches, not what the maker promises."""

    name: str
    device: str  # cpu or cuda (an Apple GPU counts as cuda without a context)
    memory_gb: float
    reserve_gb: float  # not ours: the system, the desktop, CUDA's context
    precision: str  # what `precision=auto` takes there
    flops: float
    bandwidth: float  # bytes a second
    kernel_seconds: float
    measured: bool = False
    busy: bool = False  # other programs ran while it was measured
    key: str = ""  # names what was measured here, and by whom it is calibrated

    @property
    def usable(self) -> float:
        """Bytes that a run may take."""
        return max(0.0, self.memory_gb - self.reserve_gb) * GIB

    @property
    def title(self) -> str:
        return _("{name}, {memory_gb:g} GB").format(name=self.name, memory_gb=self.memory_gb)

    def source(self) -> str:
        """Where its speed comes from, for the reader."""
        if self.busy:
            return _(
                "speed measured while other programs used the processor: on an idle machine the plan will be better"
            )
        if self.measured:
            return _("speed measured on this machine")
        return _(
            "speed from the maker's figures: {matmul_share:.0%} of the matmul peak and {bandwidth_share:.0%} of the "
            "bandwidth are assumed, nothing was measured"
        ).format(matmul_share=MATMUL_SHARE, bandwidth_share=BANDWIDTH_SHARE)

    def with_speed(self, flops: float, bandwidth: float, kernel_seconds: float) -> Machine:
        return dataclasses.replace(self, flops=flops, bandwidth=bandwidth, kernel_seconds=kernel_seconds, measured=True)


@dataclass(frozen=True)
class Card:
    """Makers' figures: memory in GB, dense half-precision TFLOP/s with fp32 accumulation, bandwidth in GB/s."""

    name: str
    memory_gb: int
    tflops: float
    bandwidth: float
    precision: str = "bf16"
    desktop: bool = True

    def machine(self) -> Machine:
        return Machine(
            name=self.name,
            device="cuda",
            memory_gb=self.memory_gb,
            reserve_gb=CONTEXT_GB + (DESKTOP_GB if self.desktop else 0),
            precision=self.precision,
            flops=self.tflops * 1e12 * MATMUL_SHARE,
            bandwidth=self.bandwidth * 1e9 * BANDWIDTH_SHARE,
            kernel_seconds=KERNEL_SECONDS,
        )


# GeForce cards accumulate in fp32 at half their advertised tensor rate, which is twice their fp32 rate (NVIDIA's Turing,
# Ampere and Ada white papers); data-centre cards have no such brake. The first of each size stands for that size.
CARDS = [
    Card("RTX 3050 8GB", 8, 18.2, 224),
    Card("RTX 3050 4GB", 4, 11.0, 192),  # of laptops, at a middling clock
    Card("RTX 3050 6GB", 6, 13.5, 168),
    Card("RTX 2060 6GB", 6, 25.8, 336, "fp16"),
    Card("RTX 4060 8GB", 8, 30.2, 272),
    Card("RTX 3060 12GB", 12, 25.5, 360),
    Card("RTX 4070 12GB", 12, 58.3, 504),
    Card("T4 16GB", 16, 65.0, 320, "fp16", desktop=False),
    Card("V100 16GB", 16, 125.0, 900, "fp16", desktop=False),
    Card("RTX 3090 24GB", 24, 71.0, 936),
    Card("RTX 4090 24GB", 24, 165.2, 1008),
    Card("L4 24GB", 24, 121.0, 300, desktop=False),
    Card("A10 24GB", 24, 125.0, 600, desktop=False),
    Card("A100 40GB", 40, 312.0, 1555, desktop=False),
    Card("A100 80GB", 80, 312.0, 2039, desktop=False),
    Card("H100 80GB", 80, 989.0, 3350, desktop=False),
]
SHOWN = ("RTX 3050 4GB", "RTX 3050 6GB", "RTX 3050 8GB", "RTX 3060 12GB", "RTX 3090 24GB")  # of `--cards`


def card(name: str) -> Machine:
    """The card of that name ("RTX 3050", "4090", "NVIDIA GeForce RTX 3060") or memory ("8", "8GB")."""
    words = _words(name)
    if len(words) == 1 and words[0].removesuffix("gb").isdigit() and (size := int(words[0].removesuffix("gb"))) < 1000:
        for found in CARDS:
            if found.memory_gb == size:
                return found.machine()
        sizes = commas(str(size) for size in sorted({card.memory_gb for card in CARDS}))
        raise UserError(
            _("there is no card of {size} GB in the table (it has {sizes}): name one of those, or a card.").format(
                size=size, sizes=sizes
            )
        )
    for found in CARDS:
        if words and set(words) <= set(_words(found.name)):
            return found.machine()
    names = [found.name for found in CARDS]
    near = suggest(name, names)
    raise UserError(
        _("the card '{name}' is not in the table: {names}.{near}").format(name=name, names=commas(names), near=near)
    )


def _words(name: str) -> list[str]:
    plain = name.lower().replace("nvidia", "").replace("geforce", "").replace("tesla", "").replace(" gb", "gb")
    return plain.replace("-", " ").split()


def store_path() -> Path:
    return cache_root() / "plan.json"


def _stored() -> dict[str, Any]:
    """Everything stored; {} when there is nothing, or nothing that can be read."""
    try:
        data = json.loads(store_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def stored(kind: str, key: str) -> Any:
    """One entry, e.g. stored("speed", machine.key); None when there is none."""
    entries = _stored().get(kind)
    return entries.get(key) if isinstance(entries, dict) else None


def store(kind: str, key: str, value: Any) -> None:
    """Store one entry. A cache that cannot be written costs a measurement, not the run."""
    data = _stored()
    entries = data.get(kind)
    data[kind] = (entries if isinstance(entries, dict) else {}) | {key: value}
    try:
        store_path().parent.mkdir(parents=True, exist_ok=True)
        write_atomic(store_path(), json.dumps(data, indent=1) + "\n")
    except OSError:
        pass


@dataclass(frozen=True)
class Calibration:
    """Predictions are multiplied by `time` and `memory`, the medians of actual over predicted in `runs` runs; `spread` is
    half of the runs' distance from that median in time, as a share."""

    time: float = 1.0
    memory: float = 1.0
    spread: float = 0.0
    memory_spread: float = 0.0
    runs: int = 0

    def words(self) -> str:
        """For the reader; empty when nothing was learned yet."""
        if not self.runs:
            return ""
        return ngettext(
            "calibrated on {runs} run: time ±{spread:.0%}, memory ±{memory_spread:.0%}",
            "calibrated on {runs} runs: time ±{spread:.0%}, memory ±{memory_spread:.0%}",
            self.runs,
        ).format(runs=self.runs, spread=self.spread, memory_spread=self.memory_spread)


UNCALIBRATED = Calibration()


@dataclass(frozen=True)
class Outcome:
    """One past run: predicted without any calibration, and actual."""

    run: str
    key: str
    seconds_a_million: tuple[float, float]  # a million tokens: predicted, actual
    memory_mb: tuple[float, float]

    @property
    def time_ratio(self) -> float:
        return self.seconds_a_million[1] / self.seconds_a_million[0]

    @property
    def memory_ratio(self) -> float:
        return self.memory_mb[1] / self.memory_mb[0]


def outcomes(runs: Iterable[Run]) -> list[Outcome]:
    """The runs whose record holds both a prediction, from a measured speed, and what came of it."""
    found = []
    for run in runs:
        plan = run.info.get("plan")
        if not isinstance(plan, dict) or not plan.get("measured") or run.info.get("status") != "done":
            continue
        used = plan.get("calibration") or {}
        try:
            predicted = 1e6 / plan["predicted_tokens_per_second"] / used.get("time", 1.0)
            actual = 1e6 / plan["actual_tokens_per_second"]
            memory = plan["predicted_memory_mb"] / used.get("memory", 1.0), float(plan["actual_memory_mb"])
            found.append(Outcome(run.name, plan["machine_key"], (predicted, actual), memory))
        except (KeyError, TypeError, ZeroDivisionError):  # no outcome yet, or a record of another kind
            continue
    return [outcome for outcome in found if min(*outcome.seconds_a_million, *outcome.memory_mb) > 0]


def calibrations(found: Iterable[Outcome]) -> dict[str, Calibration]:
    """One calibration a machine. The median, because one run beside a video call must not spoil the rest."""
    by_machine: dict[str, list[Outcome]] = {}
    for outcome in found:
        by_machine.setdefault(outcome.key, []).append(outcome)
    return {key: _calibration(of_one) for key, of_one in by_machine.items() if key}


def _calibration(found: list[Outcome]) -> Calibration:
    time, time_spread = _middle([outcome.time_ratio for outcome in found])
    memory, memory_spread = _middle([outcome.memory_ratio for outcome in found])
    return Calibration(time, memory, time_spread, memory_spread, len(found))


def _middle(ratios: list[float]) -> tuple[float, float]:
    """(median, median distance from it as a share of it)."""
    middle = statistics.median(ratios)
    return middle, statistics.median(abs(ratio - middle) for ratio in ratios) / middle


def calibrate(runs: Iterable[Run]) -> tuple[list[Outcome], dict[str, Calibration]]:
    """Fit to past runs and keep it in the user's cache."""
    found = outcomes(runs)
    fitted = calibrations(found)
    for key, calibration in fitted.items():
        store("calibration", key, dataclasses.asdict(calibration))
    return found, fitted


def calibration_of(key: str) -> Calibration:
    """The calibration of a machine; UNCALIBRATED when nothing was learned yet."""
    known = stored("calibration", key) if key else None
    try:
        return Calibration(**known) if isinstance(known, dict) else UNCALIBRATED
    except TypeError:  # written by another version
        return UNCALIBRATED
