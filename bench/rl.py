"""Reinforcement learning on the world: a fine-tuned model learns to put two numbers in order, which it mostly cannot.

    python bench/rl.py [--model quickstart-sft] [--seeds 3] [--arms grpo ppo …]

The model is the chat model of a quickstart, where the runs are (FLEDGE_RUNS). Its pretraining and fine-tuning showed it such
tasks now and then; the prompts of the validation are none that it practises on here. Beside the reward stands what must not be
lost: facts asked in the forms that it knows. The arm "hacked" is rewarded when the right answer merely stands somewhere in what it
says, and nothing holds it to the model that it was: its reward and the truth are both recorded. Seconds are of the processor as
well as of the clock, because the clock of a machine that others use says little.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from _record import RESULTS, bar, record

from fledge.world import World
from fledge.world.probes import probes
from fledge.world.tasks import tasks

STEPS = 120
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "grpo": ("grpo", {}),
    "ppo": ("ppo", {"steps": 2 * STEPS, "beta": 0.05}),  # every answer is learned from twice
    "cispo": ("grpo", {"loss": "cispo"}),
    "spo": ("spo", {}),
    "hacked": ("grpo", {"beta": 0.0}),
}
SETTINGS = {"max_new_tokens": 24, "seq_len": 128, "precision": "fp32", "val_every": 20}
FACTS = ("fact_seen_form", "fact_heldout_form")
ASKED = 300  # facts of each family


def rows(world: World, check: str) -> tuple[list[dict], list[dict]]:
    """(to practise, to measure): different prompts, each once. `check`: how an answer is compared with the right one."""
    found = {
        row["conversations"][0]["content"]: row for row in tasks(world, 4000, seed=1, families=("sort",), levels=(1,))
    }
    every = [row | {"check": {"check": check}} for row in found.values()]
    return every[len(every) // 5 :], every[: len(every) // 5]


def measure(folder: Path, world: World, val: list[dict]) -> dict[str, float]:
    """Greedy answers to the held-out prompts, compared exactly; and facts."""
    from fledge.evaluate.world import ask
    from fledge.model.folder import load_model
    from fledge.rewards import compose
    from fledge.rollout.play import Play
    from fledge.rollout.prompts import from_rows
    from fledge.tokenizer import Tokenizer

    model, tokenizer = load_model(folder), Tokenizer.load(folder)
    held = from_rows(val, tokenizer, room=100)
    play = Play(SETTINGS["max_new_tokens"], 128, temperature=0.0)
    episodes = play(model, tokenizer, held.tasks, held.ids, 1, 0)
    right = compose(["verifier"], model, tokenizer)(episodes)[0]
    facts = ask(model, tokenizer, [p for p in probes(world, ASKED) if p.family in FACTS])
    return {"right": statistics.mean(right), "facts": statistics.mean(answer.right for answer in facts)}


def learn(arm: str, model: str, seed: int, world: World, folder: Path, num_steps: int | None) -> dict[str, Any]:
    from fledge import api

    job, settings = ARMS[arm]
    train, val = rows(world, "contains" if arm == "hacked" else "exact")
    paths = []
    for name, part in (("train", train), ("val", val)):
        paths.append(folder / f"{arm}-{name}.jsonl")
        paths[-1].write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part), encoding="utf-8")
    begun, busy = time.perf_counter(), time.process_time()
    settings = {"steps": STEPS} | SETTINGS | settings | ({"steps": num_steps} if num_steps else {})
    files = {"data": [str(paths[0])], "val": [str(paths[1])]}
    run = api.train(job, model=model, seed=seed, run=f"{arm}-{seed}", **files, **settings)
    metrics = run.metrics()
    steps = [row for row in metrics if "loss" in row]
    curve = {row["step"]: round(row["val_reward"], 4) for row in metrics if "val_reward" in row}
    per_step = (time.process_time() - busy) / steps[-1]["step"]
    reached = next((step for step, reward in curve.items() if reward >= 0.9), None)
    return {
        "seconds": round(time.perf_counter() - begun, 1),
        "cpu_seconds": round(time.process_time() - busy, 1),
        "cpu_seconds_to_90": None if reached is None else round(per_step * reached, 1),
        "val_reward": curve,
        "kl": round(statistics.mean(row["kl"] for row in steps[-10:]), 4) if "kl" in steps[-1] else None,
        "entropy": [round(row["entropy"], 3) for row in (steps[0], steps[-1])],
        "length": [round(row["length"], 2) for row in [r for r in steps if "length" in r][:: len(steps) - 1]],
        **measure(run.model_dir, world, rows(world, "exact")[1]),
        "said": run.samples()[-1]["text"],
    }


def summary(before: dict[str, float], found: dict[str, dict[str, dict]]) -> dict[str, Any]:
    """Means and spreads over the seeds, and the bars of the two arms that have them."""
    table: dict[str, Any] = {}
    for arm, seeds in found.items():
        runs = list(seeds.values())
        table[arm] = {"seeds": len(runs)}
        for key in ("right", "facts", "kl", "cpu_seconds", "cpu_seconds_to_90"):
            values = [run[key] for run in runs if run[key] is not None]
            if values:
                spread = statistics.stdev(values) if len(values) > 1 else None
                table[arm][key] = {"mean": round(statistics.mean(values), 4), "spread": spread and round(spread, 4)}
    bars = {"right before": bar(before["right"], "<=", 0.40)}
    for arm in ("grpo", "ppo"):
        if arm in table:
            slowest = [run["cpu_seconds_to_90"] for run in found[arm].values()]
            bars[f"{arm}: right after"] = bar(table[arm]["right"]["mean"], ">=", 0.90)
            bars[f"{arm}: processor seconds to 90 %, the slowest seed"] = bar(
                None if None in slowest else max(slowest), "<=", 300
            )
            kept = table[arm].get("facts")
            lost = kept and round(before["facts"] - kept["mean"], 4)
            bars[f"{arm}: facts lost"] = bar(lost, "<=", 0.03)
    return {"bars": bars, "arms": table}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="quickstart-sft", help="a run or a model folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--more", action="store_true", help="keep the arms and seeds of the record that is there")
    parser.add_argument("--smoke", action="store_true", help="two steps of one arm, and no result file")
    flags = parser.parse_args(argv)
    if flags.smoke:
        flags.arms, flags.seeds, flags.more = flags.arms[:1], 1, False
    steps = 2 if flags.smoke else None
    from fledge.model.source import find_model
    from fledge.records import Run

    found = find_model(flags.model).absolute()
    world = World.build(
        "small", Run(found.parent).info["config"]["seed"]
    )  # a quickstart's seed is that of its world too
    model = str(found)
    before = measure(Path(model), world, rows(world, "exact")[1])
    print("before", before)
    path = RESULTS / "rl.json"
    kept = json.loads(path.read_text(encoding="utf-8"))["numbers"]["runs"] if flags.more and path.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        os.environ["FLEDGE_RUNS"] = str(Path(name) / "runs")
        for seed in range(flags.seeds):
            for arm in flags.arms:
                if str(seed) not in kept.get(arm, {}):
                    kept.setdefault(arm, {})[str(seed)] = learn(arm, model, seed, world, Path(name), steps)
                    record("rl", smoke=flags.smoke, before=before, **summary(before, kept), runs=kept)


if __name__ == "__main__":
    main()
