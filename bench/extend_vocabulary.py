"""What new tokens do for a real model that reads Chinese in pieces of a byte or two: continued pretraining with them and without.

    python bench/extend_vocabulary.py --model smollm2 --data ../shared/data/pretrain/zh_mix.jsonl.gz    `fledge get smollm2`

Both arms train for the same steps of the same number of tokens, and the seconds of the processor stand beside; bits per byte are of
text that is held out, and compare models of any tokenizer.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _record import record

from fledge.records import Run, runs_root

if TYPE_CHECKING:
    from fledge.api import LM

SETTINGS = {"seq_len": 256, "batch_size": 4, "optimizer": "adamw", "lr": 5e-4, "warmup": 0.1, "precision": "fp32"}
ROWS = 3_000  # texts that the model is trained on; new tokens are learnt from all


def texts_of(path: Path, num_bytes: int, stride: int) -> tuple[list[str], list[str]]:
    """(texts to train on, texts held out: of every `stride`th document the first 400 characters, `num_bytes` in all)"""
    from fledge.data.readers import Quarantine, read_rows
    from fledge.data.rows import TextRow

    texts = [row.text for row in read_rows(path, "text", Quarantine()) if isinstance(row, TextRow) and row.text]
    held: list[str] = []
    for text in texts[::stride]:
        if sum(len(text.encode("utf-8")) for text in held) < num_bytes:
            held.append(text[:400])
    return [text for number, text in enumerate(texts) if number % stride], held


def bpb(lm: LM, texts: list[str]) -> float:
    from fledge.evaluate.score import Score, score_text

    total = sum((score_text(lm.model, lm.tokenizer, text) for text in texts), Score(0.0, 0, 0))
    return round(total.bpb, 4)


def bytes_per_token(lm: LM, texts: list[str]) -> float:
    return round(sum(len(text.encode("utf-8")) for text in texts) / sum(map(len, lm.tokenizer.encode_batch(texts))), 3)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--add", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=10, help="of 1,024 tokens, for each arm")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="two steps, a few texts, and no result file")
    asked = parser.parse_args(argv)
    train, held = texts_of(asked.data, 1_000 if asked.smoke else 5_000, 50)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked, train[: 200 if asked.smoke else None], held, Path(folder) / "extended")
    record("extend_vocabulary", smoke=asked.smoke, model=asked.model, added=asked.add, settings=SETTINGS, **found)
    return 0


def measure(asked: argparse.Namespace, train: list[str], held: list[str], folder: Path) -> dict[str, Any]:
    """Both arms, before and after training."""
    from fledge.api import LM, load
    from fledge.model.growing import grow_vocabulary
    from fledge.tokenizer.extend import extend

    old = load(asked.model)
    found: dict[str, Any] = {"held_out_bytes": sum(len(text.encode("utf-8")) for text in held)}
    found["bytes_per_token"] = {"before": bytes_per_token(old, held)}
    found["bpb"] = {"before": bpb(old, held)}
    begun = time.perf_counter()
    tokenizer, pieces = extend(old.tokenizer, train, asked.add)
    found["seconds_to_extend"] = round(time.perf_counter() - begun, 1)
    exact = load(asked.model)
    grow_vocabulary(exact.model, pieces)
    LM(exact.model, tokenizer).save(folder)
    new = load(str(folder))
    found["bytes_per_token"]["after"] = bytes_per_token(new, held)
    found["bpb"]["right_after"] = bpb(new, held)
    found["arms"] = []
    for seed in range(asked.seeds):
        steps = 2 if asked.smoke else asked.steps
        both = {"without": asked.model, "extended": str(folder)}
        arms = {name: trained(model, train[:ROWS], seed, steps) for name, model in both.items()}
        for arm in arms.values():
            arm["bpb"] = bpb(load(arm.pop("run")), held)
        found["arms"].append(arms)
    return found


def trained(model: str, texts: list[str], seed: int, steps: int) -> dict[str, Any]:
    from fledge.api import train

    name = f"bench-extend-vocabulary-{Path(model).name}-{seed}"
    shutil.rmtree(runs_root() / name, ignore_errors=True)
    begun = time.process_time()
    run: Run = train(
        "pretrain", model=model, rows=texts, run=name, seed=seed, steps=steps, val_every=10_000, **SETTINGS
    )
    return {"run": run.name, "steps": steps, "cpu_seconds": round(time.process_time() - begun, 1)}


if __name__ == "__main__":
    raise SystemExit(main())
