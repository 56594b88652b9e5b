"""Training speed on exactly MiniMind's shapes: its own loop and ours by turns, in real tokens a second, and the memory of each.

A token is real when it is a target: MiniMind pads every row to 340. `natural`: rows of the real mixes as they are. `full`:
rows that fill 340 exactly, so that nobody pads. MiniMind runs its own train_epoch, loader and optimizer; what it computes
does not depend on how much of a row is padding, so its tokens are rows times the mean over the file. Ours is
`fledge.train` with AdamW as MiniMind has it: in the precision that it picks by itself, and, where that is not fp32, in
fp32 too. All start from the same .pth, wait for each other, and take turns; the first turn of each is not counted.

`matmul_share` is the FLOP/s spent on real tokens over those of one large matrix product in the same dtype. A step of the
optimizer comes every 8 rows, where MiniMind's recipe has one every 256: less time, and the same for both. About nine
minutes on two cores. --device cuda runs both as their defaults have it there (MiniMind: bf16 autocast, 32 rows a batch, 8
batches a step); it has not been tried on a GPU yet.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from _minimind import CHILD, SEQ_LEN, MiniMind, data_flag, real_texts
from _record import bar, record

if TYPE_CHECKING:
    from fledge.model.config import ModelConfig

NUM_ROWS = 1200  # of each kind
REPEATS = 3


@dataclass(frozen=True)
class Shape:
    name: str
    generation: str
    hidden_size: int
    layers: int


SHAPES = {"26M": Shape("26M", "v2", 512, 8), "64M": Shape("64M", "v3", 768, 8)}


class Child:
    """A process that trains a segment whenever it is asked to."""

    def __init__(self, program: str, job: dict[str, Any], cwd: Path, env: dict[str, str]):
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), program, json.dumps(job)],
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.answers: list[dict[str, float]] = []

    def segment(self) -> None:
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            self.answers.append(json.loads(self.process.stdout.readline()))
        except (OSError, ValueError):
            raise SystemExit(f"the measured process ended with code {self.process.wait()}") from None

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def full_rows(texts: list[str], tokenizer: Any) -> list[str]:
    """Texts of exactly SEQ_LEN - 1 tokens: with the tokens at its ends each fills a row of ours, and, cut by one, of MiniMind's."""
    size, ids, rows = SEQ_LEN - 1, tokenizer.encode("\n".join(texts)), []
    for start in range(0, len(ids) - size, size):
        text = tokenizer.decode(ids[start : start + size])
        if len(tokenizer.encode(text)) == size:  # most cuts leave the tokens as they were
            rows.append(text)
    return rows


def real_per_row(texts: list[str], tokenizer: Any) -> float:
    """Mean number of targets in MiniMind's row: its end token is one, and what does not fit is cut."""
    return mean(min(len(ids) + 1, SEQ_LEN - 1) for ids in tokenizer.encode_batch(texts))


def flops_per_token(config: ModelConfig, context: float) -> float:
    """Forward and backward: 6 a parameter (the tied embedding is the head), and causal attention in `context` tokens."""
    heads = config.num_hidden_layers * config.num_attention_heads * (config.head_dim or 0)
    return 6 * config.num_parameters()["total"] + 6 * heads * context


def measure(
    peer: MiniMind, shape: Shape, kind: str, texts: list[str], chosen: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    """One shape on one kind of rows: everybody's segments by turns."""
    from fledge.records import Run
    from fledge.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(peer.checkout / "model")
    per_row = real_per_row(texts, tokenizer)
    run = f"{shape.name}-{kind}"
    job = {
        "device": chosen.device,
        "size": chosen.accumulation_steps,
        "accumulation_steps": chosen.accumulation_steps,
        "batch_size": chosen.batch_size,
        "seq_len": SEQ_LEN,
        "hidden_size": shape.hidden_size,
        "layers": shape.layers,
        "weights": str(peer.checkout / "out" / f"start_{shape.hidden_size}.pth"),
        "rows": str(peer.write_rows(texts, kind)),
        "run": run,
    }
    environment = peer.environment() | {"FLEDGE_RUNS": str(folder / "runs"), "FLEDGE_CACHE": str(folder / "cache")}

    def child(program: str, precision: str = "") -> Child:
        it = Child(program, job | {"precision": precision, "run": f"{run}-{precision}"}, peer.cwd, environment)
        it.segment()  # not counted
        return it

    children = {}
    try:
        children["minimind"] = child("minimind")
        children["ours"] = child("ours", "auto")
        dtypes = {"ours": Run(folder / "runs" / f"{run}-auto").info["precision"]}
        dtypes["minimind"] = "float32" if chosen.device == "cpu" else "bfloat16"
        if dtypes["ours"] != "float32" and chosen.device == "cpu":
            children["ours in fp32"], dtypes["ours in fp32"] = child("ours", "fp32"), "float32"
        for turn in range(chosen.repeats):
            for who, one in list(children.items()):
                one.segment()
                print(f"{shape.name} {kind} {turn + 1}/{chosen.repeats} {who}: {one.answers[-1]}", flush=True)
    finally:
        for one in children.values():
            one.end()

    rows = chosen.batch_size * chosen.accumulation_steps
    speeds = {
        who: [(rows * per_row if who == "minimind" else a["tokens"]) / a["seconds"] for a in one.answers[1:]]
        for who, one in children.items()
    }
    result: dict[str, Any] = {
        "real_tokens_in_a_row_of_minimind": per_row,
        "share_of_its_positions": per_row / (SEQ_LEN - 1),
    }
    for who, one in children.items():
        last = one.answers[-1]
        result[who] = {
            "precision": dtypes[who],
            "tokens_per_second": spread(speeds[who]),
            "peak_mb": last["peak_mb"],
            "peak_mb_above_imports": last["peak_mb"] - last["imports_mb"],
        } | ({"cuda_peak_mb": last["cuda_peak_mb"]} if "cuda_peak_mb" in last else {})
        if who != "minimind":  # the two took this turn one after the other
            result[who]["ratio"] = spread([a / b for a, b in zip(speeds[who], speeds["minimind"])])
    return result


def spread(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": median(values), "max": max(values)}


def matmul_limit(device: str, dtypes: list[str]) -> dict[str, float]:
    """FLOP/s of a large product on this machine, in a process of its own."""
    words = [sys.executable, str(CHILD), "matmul", json.dumps({"device": device, "dtypes": dtypes})]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_flag(parser)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--batch-size", type=int, help="rows of a batch; default 8, on a GPU 32")
    parser.add_argument("--accumulation-steps", type=int, help="batches of an optimizer step; default 1, on a GPU 8")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument(
        "--smoke", action="store_true", help="one turn of two rows on the small shape, and no result file"
    )
    chosen = parser.parse_args(argv)
    if chosen.smoke:
        chosen.shapes, chosen.repeats, chosen.batch_size = ["26M"], 1, 2
    cuda = chosen.device == "cuda"
    chosen.batch_size = chosen.batch_size or (32 if cuda else 8)
    chosen.accumulation_steps = chosen.accumulation_steps or (8 if cuda and not chosen.smoke else 1)

    from fledge.device import set_threads
    from fledge.interop.minimind.pth import minimind_config
    from fledge.tokenizer import Tokenizer

    threads = set_threads()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # the same for everybody
    natural = list(islice(real_texts(chosen.data), NUM_ROWS))
    numbers: dict[str, Any] = {}
    bars: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for shape in map(SHAPES.get, chosen.shapes):
            assert shape
            peer = MiniMind(chosen.minimind, folder, shape.generation)
            peer.write_weights(shape.hidden_size, shape.layers)
            rows = {"natural": natural, "full": full_rows(natural, Tokenizer.load(peer.checkout / "model"))}
            config = minimind_config(shape.generation, shape.hidden_size, shape.layers)
            facts: dict[str, Any] = {"parameters": config.num_parameters()["total"], "commit": peer.commit}
            for kind, texts in rows.items():
                facts[kind] = measure(peer, shape, kind, texts, chosen, folder)
            numbers[shape.name] = facts
            limit = matmul_limit(chosen.device, sorted({who["precision"] for who in each(facts)}))
            facts["matmul_flops_per_second"] = limit
            for kind in rows:
                flops = flops_per_token(config, facts[kind]["real_tokens_in_a_row_of_minimind"])
                for who in each({kind: facts[kind]}):
                    who["matmul_share"] = who["tokens_per_second"]["median"] * flops / limit[who["precision"]]
            bars |= bars_of(shape.name, facts, 2.0 if cuda else None)
    record(
        "race_minimind" + ("_cuda" if cuda else ""),
        smoke=chosen.smoke,
        repository="jingyaogong/minimind",
        threads=threads,
        rows_of_a_batch=chosen.batch_size,
        batches_of_a_step=chosen.accumulation_steps,
        repeats=chosen.repeats,
        **numbers,
        bars=bars,
    )


def each(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Everybody's measurements in `facts`, of every kind of rows."""
    kinds = [kind for kind in facts.values() if isinstance(kind, dict)]
    return [who for kind in kinds for who in kind.values() if isinstance(who, dict) and "precision" in who]


def bars_of(name: str, facts: dict[str, Any], gpu: float | None) -> dict[str, Any]:
    bars = {}
    for kind, limit in (("natural", 1.3), ("full", 1.0)):
        theirs = facts[kind]["minimind"]
        for who in (key for key in facts[kind] if key.startswith("ours")):
            mine, memory = facts[kind][who], "cuda_peak_mb" if gpu else "peak_mb"
            bars[f"{name}, {kind} rows, {who} ({mine['precision']}): tokens a second over MiniMind's"] = bar(
                mine["ratio"]["median"], ">=", gpu or limit
            )
            bars[f"{name}, {kind} rows, {who} ({mine['precision']}): peak memory over MiniMind's"] = bar(
                mine[memory] / theirs[memory], "<", 1.0
            )
    return bars


if __name__ == "__main__":
    main()
