"""`--budget 10m` on real text, beside the best fixed shape that can be found by hand: the dial against the presets.

Each run is `fledge train pretrain` on en_mix + zh_mix for the same time on the same cores, one after the other: once
with nothing but the budget, then with every preset named by --presets, at the rows and the batch that are the defaults of
`fledge train` (the vocabulary of both is the default for this much text). The machine may drift, so the run with the
budget alone is done first and last, and the worse of the two is compared. Four runs of ten minutes by default.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from _race import source_words, train_ours
from _record import ROOT, bar, record

from fledge.jobs.settings import job_config


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mixes = [ROOT.parent / f"shared/data/pretrain/{lang}_mix.jsonl.gz" for lang in ("en", "zh")]
    parser.add_argument("--data", type=Path, nargs="+", default=mixes)
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--presets", nargs="+", default=["cpu-2m", "cpu-4m"], help="the fixed shapes to beat")
    parser.add_argument("--smoke", action="store_true", help="seconds instead of minutes, and no result file")
    chosen = parser.parse_args(argv)
    budget = "12s" if chosen.smoke else chosen.budget

    def ours(*words: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as runs:
            data = [source_words(path) for path in chosen.data]
            return train_ours(["--data", *data, "--budget", budget, *words], Path(runs))

    first = ours()
    default = job_config("pretrain")
    usual = ["--seq-len", str(default.seq_len), "--batch-size", str(default.batch_size)]
    fixed = {preset: ours("--preset", preset, *usual) for preset in chosen.presets}
    last = ours()
    best = min(fixed, key=lambda preset: fixed[preset]["bpb"])
    record(
        "race_budget",
        smoke=chosen.smoke,
        seeds=[0],
        budget=budget,
        budget_alone=[first, last],
        fixed=fixed,
        best_fixed=best,
        bars={
            f"bits per byte of the budget alone, against {best}": bar(
                max(first["bpb"], last["bpb"]), "<=", fixed[best]["bpb"]
            )
        },
    )


if __name__ == "__main__":
    main()
