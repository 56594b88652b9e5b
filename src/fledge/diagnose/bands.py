"""Reference bands: how a run of these settings went, several times over with different seeds.

`reference/NAME.json` holds, for one job on one data with one shape, the mean and the standard deviation over seeds of
the curve and of the final measures, and with what it was recorded (bench/record_bands.py). A run that has all of the
key in common can be measured against the band; of any other the nearest is only worth naming.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from fledge.diagnose.curves import Curves
from fledge.records import Run

FOLDER = Path(__file__).parent / "reference"
SHAPE = (
    "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "tie_word_embeddings",
)  # fmt: skip
SETTINGS = (
    "optimizer", "lr", "embed_lr", "head_lr", "norm_lr", "weight_decay", "schedule", "warmup", "grad_clip",
)  # fmt: skip
CLOSE = 0.03  # bytes per token of the same kind of text differ by less
LEAST_SPREAD = 0.02  # of the value: three seeds can agree by accident, and processors round differently
WIDE = 4.0  # spreads; a point that is further out than this is outside of the band


@dataclass(frozen=True)
class Point:
    """One point of a curve beside the band."""

    measure: str
    step: int
    value: float
    mean: float
    spread: float
    """The standard deviation of one more run: that of the seeds, widened for their number, and never below 2 %."""

    @property
    def sigmas(self) -> float:
        return (self.value - self.mean) / self.spread


@dataclass
class Band:
    """A recorded reference. `info` is what its file holds."""

    info: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.info["name"])

    def differences(self, key: dict[str, Any]) -> list[str]:
        """What a run with this key has different: nothing of it may be, to be measured against the band."""
        mine = self.info["key"]
        names = ["vocab_size", "seq_len", "tokens_per_step", "steps"] + (
            ["replay_share"] if key["job"] == "sft" else []
        )
        different = [name for name in names if key[name] != mine[name]]
        if key["shape"] != mine["shape"]:
            different.insert(0, "shape")
        if not same_data(key, mine):
            different.insert(0, "data")
        return different

    def points(self, curves: Curves) -> list[Point]:
        """The run's curves beside the band's, as far as the run has come; both cut the same plan into parts."""
        found = []
        ends = curves.ends()
        for part, value in enumerate(curves.means("loss")):
            found.append(self._point("loss", ends[part], value, self.info["curve"]["loss"], part))
        for measure in ("val_loss", "val_bpb"):
            at = {step: i for i, step in enumerate(self.info["validations"]["step"])}
            for step, value in curves.during(measure):
                if step in at:
                    found.append(self._point(measure, step, value, self.info["validations"][measure], at[step]))
            if curves.progress == 1 and (last := curves.final(measure)) is not None:
                found.append(self._point(measure, curves.step, last, self.info["final"], measure))
        return [point for point in found if math.isfinite(point.value) and math.isfinite(point.mean)]

    def _point(self, measure: str, step: int, value: float, table: dict[str, Any], at: Any) -> Point:
        n = len(self.info["seeds"])
        mean, sd = table[at] if isinstance(at, str) else (table["mean"][at], table["sd"][at])
        spread = max(sd * math.sqrt(1 + 1 / n), LEAST_SPREAD * abs(mean))
        return Point(measure, step, value, mean, spread)


@dataclass
class BandMatch:
    """The band nearest to a run, and what the two do not have in common."""

    band: Band
    differences: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not self.differences


@lru_cache(maxsize=1)
def bands() -> tuple[Band, ...]:
    """Every recorded band."""
    return tuple(Band(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.json")))


def match(run: Run, curves: Curves) -> BandMatch | None:
    """The band of the same job with the fewest differences; None when none has the run's data or its shape, or when the
    record is too old."""
    key = run_key(run, curves)
    found = [
        BandMatch(band, band.differences(key)) for band in bands() if key and band.info["key"]["job"] == run.info["job"]
    ]
    near = [match for match in found if not {"data", "shape"} <= set(match.differences)]
    return min(near, key=lambda match: ("data" in match.differences, len(match.differences)), default=None)


def run_key(run: Run, curves: Curves) -> dict[str, Any] | None:
    """What decides whether two runs can be compared: everything but the learning rates and the seed."""
    config, model = run.info.get("config", {}), run.info.get("model", {})
    train = (run.info.get("data") or {}).get("train") or {}
    if not (model and train.get("targets") and config.get("seq_len")):
        return None
    return {
        "job": run.info["job"],
        "shape": {name: model.get(name) for name in SHAPE},
        "vocab_size": model.get("vocab_size"),
        "seq_len": config["seq_len"],
        "tokens_per_step": config["seq_len"] * config["batch_size"] * config["accumulation_steps"],
        "steps": curves.planned,
        "inputs": [[source["sha256"] for source in train["inputs"]]],
        "bytes_per_token": train["bytes"] / train["targets"],
        "tokens": train["tokens"],
        "floor": run.info.get("landmarks", {}).get("floor"),
        "replay_share": config.get("replay_share"),
    }


def same_data(key: dict[str, Any], of_band: dict[str, Any]) -> bool:
    """The very files, or text of the same kind: as long a token, as much text, the same entropy where it is known.

    The world writes other text for every seed; a hash alone would know none but the recorded ones.
    """
    if any(inputs in of_band["inputs"] for inputs in key["inputs"]):
        return True
    near = [abs(key[name] / of_band[name] - 1) < width for name, width in (("bytes_per_token", CLOSE), ("tokens", 0.1))]
    floors = (key["floor"], of_band["floor"])
    known = None not in floors and abs(floors[0] / floors[1] - 1) < 0.1  # type: ignore[operator]
    return all(near) and (known or floors == (None, None))
