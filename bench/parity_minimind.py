"""Is our parity mode MiniMind's maths? Its own train_pretrain.py and ours on the same rows, weights and order: the losses.

Both train in fp32 on the CPU from the same .pth, with MiniMind's defaults for everything that is not given here. Of
MiniMind the loss of every batch is taken where its model returns it (it prints four digits); a step's loss is the mean
over the batches of that step. With --hidden-size 512 --layers 8 it takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from _minimind import MiniMind, data_flag, real_texts
from _record import bar, record


def minimind(peer: MiniMind, weights: Path, rows: Path, chosen: argparse.Namespace) -> tuple[list[float], str]:
    """The loss of every optimizer step, and the command."""
    words = (
        f"--epochs 1 --batch_size {chosen.batch_size} --accumulation_steps {chosen.accumulation_steps} "
        f"--max_seq_len {chosen.seq_len} --learning_rate {chosen.lr} --device cpu --num_workers 0 --log_interval 10 "
        f"--hidden_size {chosen.hidden_size} --num_hidden_layers {chosen.layers} --data_path ../dataset/{rows.name} "
        f"--from_weight {weights.stem.rpartition('_')[0]} --save_weight trained"
    )
    print(f"$ python train_pretrain.py {words}", flush=True)
    losses = peer.checkout / "losses.json"
    subprocess.run(
        peer.command("losses", str(losses), *words.split()), cwd=peer.cwd, env=peer.environment(), check=True
    )
    batches, size = json.loads(losses.read_text(encoding="utf-8")), chosen.accumulation_steps
    steps = [batches[i : i + size] for i in range(0, len(batches), size)]
    return [sum(step) / len(step) for step in steps], f"python train_pretrain.py {words}"


def ours(weights: Path, rows: Path, chosen: argparse.Namespace, runs: Path) -> list[float]:
    """The loss of every optimizer step of `fledge train minimind_pretrain`."""
    import fledge

    os.environ |= {"FLEDGE_RUNS": str(runs), "FLEDGE_CACHE": str(runs / "cache")}
    run = fledge.train(
        "minimind_pretrain",
        model=str(weights),
        data=[str(rows)],
        epochs=1,
        batch_size=chosen.batch_size,
        accumulation_steps=chosen.accumulation_steps,
        seq_len=chosen.seq_len,
        lr=chosen.lr,
        device="cpu",
        precision="fp32",
    )
    return [line["loss"] for line in run.metrics() if "loss" in line]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data_flag(parser)
    parser.add_argument("--generation", choices=["v2", "v3"], default="v3", help="which MiniMind")
    parser.add_argument("--steps", type=int, default=50, help="optimizer steps")
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--accumulation-steps", type=int, default=2)
    parser.add_argument("--seq-len", type=int, default=128)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--smoke", action="store_true", help="five steps, and no result file")
    chosen = parser.parse_args(argv)
    if chosen.smoke:
        chosen.steps = 5

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer = MiniMind(chosen.minimind, folder, chosen.generation)
        num_rows = chosen.steps * chosen.batch_size * chosen.accumulation_steps
        rows = peer.write_rows(list(islice(real_texts(chosen.data), num_rows)))
        weights = peer.write_weights(chosen.hidden_size, chosen.layers)
        theirs, command = minimind(peer, weights, rows, chosen)
        mine = ours(weights, rows, chosen, folder / "runs")
    if len(theirs) != chosen.steps or len(mine) != chosen.steps:
        raise SystemExit(f"{chosen.steps} steps were asked for: MiniMind made {len(theirs)}, ours {len(mine)}")
    apart = [abs(a - b) for a, b in zip(theirs, mine)]
    numbers: dict[str, Any] = {
        "minimind": {"repository": "jingyaogong/minimind", "commit": peer.commit, "command": command, "loss": theirs},
        "ours": {"command": 'fledge.train("minimind_pretrain", epochs=1, …)', "loss": mine},
        "rows": num_rows,
        "max_difference": max(apart),
        "bars": {"largest difference of the two losses, nats": bar(max(apart), "<=", 1e-4)},
    }
    record("parity_minimind", smoke=chosen.smoke, **numbers)


if __name__ == "__main__":
    main()
