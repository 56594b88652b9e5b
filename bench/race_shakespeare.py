"""tinyshakespeare on this CPU: ours for five minutes, beside nanoGPT's published recipe for a CPU, one after the other.

Both hold out the last tenth. Bits per byte over all of it; the text is ASCII, so nanoGPT's characters are bytes. The
peer runs its README's command unchanged; its time is the sum of its own step times, its validations counted as steps
of the usual length, while ours includes everything but the last validation. About eight minutes.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from _race import fetch, first_at_most, follow, source_words, step_seconds, train_ours
from _record import ROOT, bar, record

RECIPE = (
    "train.py config/train_shakespeare_char.py --device=cpu --compile=False --eval_iters=20 --log_interval=1 "
    "--block_size=64 --batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --max_iters=2000 --lr_decay_iters=2000 "
    "--dropout=0.0"
)
STEP = r"iter \d+: loss .*?, time ([\d.]+)ms"  # of the lines that it prints
A100_BPB = 2.12  # what nanoGPT's README reaches on an A100: 1.4697 nats a character
RECIPE_BPB = 2.72  # where its recipe for a CPU ends: 1.88 nats a character


def nanogpt(source: str, text: Path, smoke: bool) -> dict[str, Any]:
    """Prepare, train and measure the peer with its own programs, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "nanoGPT"
        commit = fetch(source, folder)
        if f"python {RECIPE}" not in (folder / "README.md").read_text(encoding="utf-8"):
            raise SystemExit(f"the README of {source} does not give the command that this race runs: {RECIPE}")
        data = folder / "data" / "shakespeare_char"
        (data / "input.txt").write_bytes(text.read_bytes())
        (data / "requests.py").write_text("")  # prepare.py imports it to download what is already there
        follow([sys.executable, "data/shakespeare_char/prepare.py"], folder)
        words = RECIPE.split() + (["--max_iters=20", "--eval_interval=10", "--warmup_iters=5"] if smoke else [])
        printed = follow([sys.executable, *words], folder)
        steps = step_seconds(printed, STEP)
        usual = statistics.median(steps)
        every = 10 if smoke else 250  # eval_interval of its config
        seconds = sum(usual if i % every == 0 else step for i, step in enumerate(steps))
        return {
            "repository": "karpathy/nanoGPT",
            "commit": commit,
            "command": "python " + " ".join(words),
            "bpb": nanogpt_bpb(folder),
            "seconds": round(seconds, 1),
            "seconds_with_validations": round(sum(steps), 1),
            "steps": len(steps),
            "seed": 1337,
        }


def nanogpt_bpb(folder: Path) -> float:
    """Bits per byte of the saved model over the whole validation part, in windows of its context, as it trains."""
    import numpy as np
    import torch

    sys.path.insert(0, str(folder))
    from model import GPT, GPTConfig  # the peer's

    saved = torch.load(folder / "out-shakespeare-char" / "ckpt.pt", map_location="cpu", weights_only=True)
    model = GPT(GPTConfig(**saved["model_args"])).eval()
    model.load_state_dict(saved["model"])
    data = folder / "data" / "shakespeare_char"
    train, val = (np.fromfile(data / f"{part}.bin", dtype=np.uint16).astype(np.int64) for part in ("train", "val"))
    ids = torch.from_numpy(np.concatenate([train[-1:], val]))  # the last character before it starts the first window
    size, nats = saved["model_args"]["block_size"], 0.0
    with torch.no_grad():
        for i in range(0, len(val), size):
            inputs, targets = ids[i : i + size][: len(val) - i], ids[i + 1 : i + 1 + size]
            nats += model(inputs[None], targets[None])[1].item() * len(targets)
    return nats / math.log(2) / len(val)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/pretrain/tinyshakespeare.txt")
    parser.add_argument(
        "--nanogpt",
        default="https://github.com/karpathy/nanoGPT",
        help="what `git clone` takes: a folder or an address",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of ours; the first one is the race")
    parser.add_argument("--smoke", action="store_true", help="seconds instead of minutes, and no result file")
    chosen = parser.parse_args(argv)

    peer = nanogpt(chosen.nanogpt, chosen.data, chosen.smoke)

    def ours(budget: str, seed: int) -> dict[str, Any]:
        words = ["--data", source_words(chosen.data), "--budget", budget] + (["--seed", str(seed)] if seed else [])
        with tempfile.TemporaryDirectory() as runs:
            facts = train_ours(words, Path(runs))
        return facts | {"seconds_to_2.72": first_at_most(facts["curve"], RECIPE_BPB)}

    runs = [ours("12s" if chosen.smoke else "5m", seed) for seed in chosen.seeds]
    quarter = ours(f"{peer['seconds'] / 4:.1f}s", chosen.seeds[0])  # all of our schedule in a quarter of its time
    reached = first_at_most(runs[0]["curve"], max(peer["bpb"], RECIPE_BPB))
    more = {}
    if len(runs) > 1:
        bits = [run["bpb"] for run in runs]
        more = {"ours_by_seed": runs, "ours_mean_bpb": statistics.mean(bits), "ours_sd_bpb": statistics.stdev(bits)}
    record(
        "race_shakespeare",
        smoke=chosen.smoke,
        seeds=chosen.seeds,
        ours=runs[0],
        ours_in_a_quarter=quarter,
        nanogpt=peer,
        ratio=None if reached is None else reached / peer["seconds"],
        bars={
            "bits per byte after five minutes": bar(runs[0]["bpb"], "<=", A100_BPB),
            "share of the recipe's time to pass its end, during the five minutes": bar(
                None if reached is None else reached / peer["seconds"], "<=", 0.25
            ),
            "bits per byte of a run of a quarter of its time": bar(quarter["bpb"], "<=", peer["bpb"]),
        },
        **more,
    )


if __name__ == "__main__":
    main()
