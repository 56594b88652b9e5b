"""Everything that only a graphics card can show, in one go of at most eight minutes.

Kernels for packed rows, experts, the generator, the share of the card's peak in training (64M and 285M parameters), the planner
beside torch's own peaks, a step that does not fit 8 GB, the tests marked `gpu`, and one turn of MiniMind's race. Every section
is a process with a time limit: what one loses, by failing or by taking too long, the others keep. bench/results/gpu.json is
written after each.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _gpu import SECTIONS
from _record import ROOT, record

MINUTES = 8.0
PROGRAM = Path(__file__).with_name("_gpu.py")


def run_section(name: str, seconds: float, device: str, small: bool, program: Path = PROGRAM) -> dict[str, Any]:
    """What the section found until it ended, failed, or was stopped after `seconds`."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        out = Path(folder) / "found.jsonl"
        out.touch()
        words = [sys.executable, str(program), name, str(out), device]
        environment = os.environ | {"FLEDGE_RUNS": f"{folder}/runs", "FLEDGE_CACHE": f"{folder}/cache"}
        try:
            done = subprocess.run([*words, *(["small"] if small else [])], cwd=ROOT, env=environment, timeout=seconds)
            failed = f"it ended with code {done.returncode}" if done.returncode else None
        except subprocess.TimeoutExpired:
            failed = f"stopped after {seconds:.0f} s"
        found: dict[str, Any] = {}
        for line in out.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # a line that was cut off
                found |= json.loads(line)
    return found | {"section_seconds": round(time.perf_counter() - begun, 1)} | ({"failed": failed} if failed else {})


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help="for all of them; the last ones get what is left"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="tiny shapes, also without a card, and no result file; not the race"
    )
    chosen = parser.parse_args(argv)

    import torch

    if not torch.cuda.is_available() and not chosen.smoke:
        raise SystemExit("There is no CUDA device here, and this program measures nothing else (--smoke tries it out).")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    end = time.perf_counter() + 60 * chosen.minutes
    numbers: dict[str, Any] = {}
    for name in chosen.sections:
        if chosen.smoke and name == "race":
            continue
        seconds = min(SECTIONS[name][1], end - time.perf_counter())
        print(f"\n=== {name}: up to {max(0, seconds):.0f} s", flush=True)
        numbers[name] = (
            run_section(name, seconds, device, chosen.smoke) if seconds > 5 else {"failed": "no time was left for it"}
        )
        with contextlib.redirect_stdout(io.StringIO()):
            record("gpu", smoke=chosen.smoke, **numbers)
    record("gpu", smoke=chosen.smoke, **numbers)
    failed = [name for name, found in numbers.items() if "failed" in found]
    print(f"not whole: {', '.join(failed)}" if failed else "all sections are whole")


if __name__ == "__main__":
    main()
