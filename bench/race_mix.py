"""en_mix + zh_mix on this CPU: ours for ten minutes, beside nanochat's d4 for as long, one after the other.

Both train on the same texts and are measured over the same bytes, the last tenth of each file. The peer runs its own
programs unchanged: its tokenizer, data loader, compiled model, optimizer and schedule, at the learning rates that it
scales to this depth and batch itself. The number of its steps is set so that they fill the budget, from the pace of
twenty steps after compilation, which costs it nothing. About half an hour.

The peer computes in fp32 on a CPU unless NANOCHAT_DTYPE says otherwise. It needs rustbpe and tiktoken, which are
installed into a folder that is thrown away.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _race import fetch, follow, step_seconds, train_ours
from _record import ROOT, bar, record

from fledge.records import Run

VAL_FRACTION = 0.1
VOCAB = 4096  # the peer's, as in the race that the bar comes from
SHAPE = "--depth=4 --head-dim=64 --window-pattern=L --max-seq-len=256 --device-batch-size=16 --total-batch-size=4096"
QUIET = "--device-type=cpu --eval-every=-1 --core-metric-every=-1 --sample-every=-1"
STEP = r"step \d+/\d+ .*? dt: ([\d.]+)ms"  # of the lines that it prints
SETTLED = 11  # its own clock leaves these first steps out: they compile
MEASURED = 20  # steps from which its pace is taken


def split(source: Path, folder: Path, num_rows: int | None) -> tuple[Path, Path]:
    """Write the texts of a .jsonl.gz as train and validation files: the last tenth of its bytes, cut between rows."""
    with gzip.open(source, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file][:num_rows]
    sizes = [len(text.encode("utf-8")) for text in texts]
    goal, ahead, cut = sum(sizes) * (1 - VAL_FRACTION), 0, 0
    while ahead + sizes[cut] / 2 <= goal:  # the cut nearest to the goal
        ahead, cut = ahead + sizes[cut], cut + 1
    name = source.name.split("_")[0]
    files = folder / f"train_{name}.jsonl", folder / f"val_{name}.jsonl"
    for path, part in zip(files, (texts[:cut], texts[cut:])):
        lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in part)
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
    return files


def read_texts(files: list[Path]) -> list[str]:
    texts = []
    for path in files:
        with path.open(encoding="utf-8") as file:
            texts += [json.loads(line)["text"] for line in file]
    return texts


def ours_in_its_terms(run: Path, val: list[Path]) -> float:
    """Bits per byte of our model by the peer's rule: the whole validation text, without the cost of its documents' ends."""
    import torch

    import fledge
    from fledge.data import eval_batches, prepare
    from fledge.training.losses import token_nll

    lm, config = fledge.load(run), Run.open(run).info["config"]
    data = prepare(val, lm.tokenizer, kind="text")
    nats = 0.0
    with torch.no_grad():
        for batch in eval_batches(data, config["seq_len"], 16, None, lm.tokenizer.endoftext_id):
            packed = batch.segments_BT is not None
            hidden = lm.model.hidden(
                batch.inputs_BT,
                positions_BT=batch.positions_BT if packed else None,
                segments_BT=batch.segments_BT if packed else None,
            )
            nll = token_nll(hidden, lm.model.lm_head.weight, batch.targets_BT)
            nats += nll[batch.targets_BT != lm.tokenizer.endoftext_id].double().sum().item()
    return nats / math.log(2) / data.num_bytes


class Nanochat:
    """The peer in a folder: its checkout, its packages, and its base directory with our texts as its shards."""

    def __init__(self, source: str, folder: Path):
        self.checkout, packages, self.base = folder / "nanochat", folder / "packages", folder / "base"
        self.commit = fetch(source, self.checkout)
        with_uv = ["uv", "pip", "install", "--python", sys.executable]
        installer = with_uv if shutil.which("uv") else [sys.executable, "-m", "pip", "install"]
        subprocess.run([*installer, "--quiet", "--target", str(packages), "rustbpe", "tiktoken"], check=True)
        (packages / "wandb.py").write_text("")  # imported, and not used by a run without its name
        self.env = {
            "PYTHONPATH": os.pathsep.join([str(self.checkout), str(packages)]),
            "NANOCHAT_BASE_DIR": str(self.base),
        }

    def write_shards(self, train: list[str], val: list[str]) -> None:
        """Our texts as its data: all shards but the last are training, which it expects to be shuffled."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        random.Random(0).shuffle(train)
        folder = self.base / "base_data_climbmix"
        folder.mkdir(parents=True)
        for number, texts in enumerate((train, val)):
            pq.write_table(pa.table({"text": texts}), folder / f"shard_{number:05d}.parquet", row_group_size=1024)

    def run(self, *words: str) -> str:
        return follow([sys.executable, *words], self.checkout, self.env)

    def train(self, steps: int) -> tuple[list[float], str, str]:
        """Its training script for so many steps: the seconds of each, what it printed, and the command."""
        words = f"-m scripts.base_train {SHAPE} {QUIET} --num-iterations={steps}"
        printed = self.run(*words.split())
        return step_seconds(printed, STEP), printed, f"python {words}"


def nanochat(
    source: str, folder: Path, train: list[Path], val: list[Path], budget: float, smoke: bool
) -> dict[str, Any]:
    """Tokenizer, pace, training, and the measure over the whole validation text."""
    peer = Nanochat(source, folder)
    peer.write_shards(read_texts(train), read_texts(val))
    peer.run("-m", "scripts.tok_train", f"--vocab-size={VOCAB}")
    settled, measured = (1, 2) if smoke else (SETTLED, MEASURED)
    pace = statistics.mean(peer.train(settled + measured)[0][settled:])
    steps = 5 if smoke else round(budget / pace)
    seconds, printed, command = peer.train(steps)
    usual = statistics.median(seconds[settled:])
    result = folder / "result.json"
    peer.run(str(ROOT / "bench" / "_nanochat.py"), "d4", str(result), *map(str, val))
    return json.loads(result.read_text(encoding="utf-8")) | {
        "repository": "karpathy/nanochat",
        "commit": peer.commit,
        "command": command,
        "seconds": round(sum(seconds[settled:]) + settled * usual, 1),  # compilation is a courtesy
        "seconds_with_compilation": round(sum(seconds), 1),
        "steps": steps,
        "tokens": steps * 4096,
        "pace_that_set_the_steps": pace,
        "precision": printed.split("COMPUTE_DTYPE: torch.")[1].split()[0],
        "seed": 42,
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/pretrain", help="folder of both files")
    parser.add_argument(
        "--nanochat",
        default="https://github.com/karpathy/nanochat",
        help="what `git clone` takes: a folder or an address",
    )
    parser.add_argument("--seed", type=int, default=0, help="of ours")
    parser.add_argument("--smoke", action="store_true", help="minutes of nothing but compilation, and no result file")
    chosen = parser.parse_args(argv)
    budget = 20 if chosen.smoke else 600

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [
            split(chosen.data / f"{lang}_mix.jsonl.gz", folder, 300 if chosen.smoke else None) for lang in ("en", "zh")
        ]
        train, val = [list(part) for part in zip(*files)]
        num_bytes = sum(len(text.encode("utf-8")) for text in read_texts(val))
        peer = nanochat(chosen.nanochat, folder, train, val, budget, chosen.smoke)
        words = ["--data", *map(str, train), "--val", *map(str, val), "--budget", f"{budget}s", "--run", "mix"]
        ours = train_ours([*words, "--seed", str(chosen.seed)], folder / "runs")
        ours["command"] = ours["command"].replace(f"{folder}{os.sep}", "")
        ours["bpb_without_document_ends"] = ours_in_its_terms(folder / "runs" / "mix", val)
    for who in (ours, peer):
        if who["validation_bytes"] != num_bytes:
            raise SystemExit(f"{who['command']} was measured over {who['validation_bytes']} bytes, not {num_bytes}")
    record(
        "race_mix",
        smoke=chosen.smoke,
        seeds=[chosen.seed],
        split=f"the last {VAL_FRACTION:.0%} of the bytes of each file, cut between rows",
        ours=ours,
        nanochat=peer,
        bars={
            "bits per byte, measured as the peer measures itself": bar(
                ours["bpb_without_document_ends"], "<=", peer["bpb"]
            ),
            "bits per byte, ours paying for its documents' ends too": bar(ours["bpb"], "<=", peer["bpb"]),
            "seconds of training of the peer, as long as ours": bar(peer["seconds"], ">=", 0.97 * budget),
        },
    )


if __name__ == "__main__":
    main()
