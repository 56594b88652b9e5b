"""What preference.py measures: models made and trained, and the numbers of both."""

from __future__ import annotations

import itertools
import random
import statistics
from pathlib import Path
from typing import Any

import fledge
from fledge.data.readers import raw_rows
from fledge.evaluate.score import token_nats
from fledge.evaluate.world import ask, rates
from fledge.generate import Generator, Sampling
from fledge.model.reward import RewardModel
from fledge.records import Run
from fledge.world import World
from fledge.world.preferences import preferences, worth
from fledge.world.probes import probes
from fledge.world.write import Amounts

CARELESS, PAIRS, HELD_OUT, ANSWERS = 3000, Amounts().preferences, 600, 200
EPOCHS = {"dpo": 2, "reward": 2}
TAKEN = 400  # rows of a real file: a model of 135M reads them in minutes on two cores
SETTINGS = {"val_tokens": 10_000, "precision": "fp32"}  # beside them a job's defaults


def trained(job: str, name: str, **settings: Any) -> Run:
    if Run.exists(name) and Run.open(name).info["status"] == "done":
        return Run.open(name)
    return fledge.train(job, run=name, resume=Run.exists(name), **SETTINGS | settings)


def mixed(world: World, seed: int) -> list[dict[str, Any]]:
    """Conversations with answers of both kinds, as often the one as the other."""
    draw = random.Random(seed)
    rows = preferences(world, CARELESS, seed=1_000_000 + seed)
    return [{"conversations": row[draw.choice(("chosen", "rejected"))]} for row in rows]


def answer_logps(name: str, pairs: list[dict[str, Any]]) -> list[float]:
    """log p of the chosen and the rejected answer of every pair, one after the other."""
    lm = fledge.load(name)
    rendered = [lm.tokenizer.render_ids(row[side]) for row in pairs for side in ("chosen", "rejected")]
    nats = token_nats(lm.model, [ids for ids, _ in rendered])
    return [-float(paid[mask_of(mask)].sum()) for paid, (_, mask) in zip(nats, rendered)]


def ahead(worths: list[float]) -> list[float]:
    """1 for every pair whose chosen answer is ahead."""
    return [float(a > b) for a, b in zip(worths[0::2], worths[1::2])]


def by_flaw(prefix: str, pairs: list[dict[str, Any]], right: list[float]) -> dict[str, float]:
    """Shares of pairs told apart: of all, by the flaw of the worse answer, and where the better one has a flaw too."""
    sorts = [row["axis"] if max(row["utility"]) == 1.0 else "both flawed" for row in pairs]
    parts = {sort: [ok for ok, its in zip(right, sorts) if its == sort] for sort in sorted(set(sorts))}
    return {f"{prefix}: {sort}": statistics.fmean(part) for sort, part in ({"all": right} | parts).items()}


def mask_of(mask: list[bool]) -> list[int]:
    return [i for i, learned in enumerate(mask[1:]) if learned]


def answers_worth(name: str, pairs: list[dict[str, Any]], seed: int) -> float:
    """Mean utility of answers drawn from the model to questions of held-out pairs."""
    lm = fledge.load(name)
    asked = [row for row in pairs if row["utility"][0] == 1.0 and not row["flipped"]][:ANSWERS]
    prompts = [lm.tokenizer.prompt_ids(row["chosen"][:1]) for row in asked]
    generator, said = Generator(lm.model, lm.tokenizer), []
    for at in range(0, len(prompts), generator.batch_size):
        sampling = Sampling(max_new_tokens=80, temperature=1.0, seed=seed + at)
        said += generator.generate(prompts[at : at + generator.batch_size], sampling)
    return statistics.fmean(worth(row, one.text) for row, one in zip(asked, said))


def facts(name: str, world: World) -> float:
    """Share of fact questions that are answered rightly (greedily)."""
    lm = fledge.load(name)
    asked = [probe for probe in probes(world, ANSWERS // 2) if probe.family == "fact_seen_form"]
    return rates(ask(lm.model, lm.tokenizer, asked))["fact_seen_form"].value


def on_the_world(sft: str, world_seed: int, seeds: int, smoke: bool) -> dict[str, Any]:
    world = World.build("small", world_seed)
    steps = 3 if smoke else 60
    careless = trained("sft", "careless", rows=mixed(world, 0), model=sft, steps=steps).name
    found: dict[str, list[float]] = {}

    def note(**numbers: float) -> None:
        for name, value in numbers.items():
            found.setdefault(name, []).append(value)
        print(numbers, flush=True)

    for seed in range(seeds):
        rows = list(preferences(world, 200 if smoke else PAIRS, seed=seed))
        held_out = list(preferences(world, HELD_OUT, seed=1000 + seed))

        def learned(job: str, model: str, rows: Any = rows, held_out: Any = held_out, seed: int = seed) -> Run:
            length = {"steps": 3} if smoke else {"epochs": EPOCHS[job]}
            return trained(job, f"{job}-{seed}", rows=rows, val_rows=held_out, model=model, seed=seed, **length)

        before = answer_logps(careless, held_out)
        note(prefers_before=statistics.fmean(ahead(before)), worth_before=answers_worth(careless, held_out, seed))
        note(facts_before=facts(careless, world))
        dpo = learned("dpo", careless)
        after = answer_logps(dpo.name, held_out)
        note(**by_flaw("dpo", held_out, ahead([a - b for a, b in zip(after, before)])))
        note(prefers_after=statistics.fmean(ahead(after)), worth_after=answers_worth(dpo.name, held_out, seed))
        note(facts_after=facts(dpo.name, world), dpo_seconds=dpo.info["results"]["train_seconds"])
        reward = learned("reward", sft)
        scores = RewardModel.load(reward.name).scores(
            [row[side] for row in held_out for side in ("chosen", "rejected")]
        )
        note(**by_flaw("reward", held_out, ahead(scores)), reward_seconds=reward.info["results"]["train_seconds"])
    return {name: {"mean": statistics.fmean(v), "sd": statistics.pstdev(v), "values": v} for name, v in found.items()}


def on_a_real_model(model: str, files: list[Path], smoke: bool) -> dict[str, Any]:
    """One run a file: pair accuracy of the held-out tenth before and after."""
    found = {}
    for file in files:
        name = f"real-{file.name.split('.')[0]}"
        length = {"steps": 2} if smoke else {"epochs": 2}
        rows = [raw for _, raw in itertools.islice(raw_rows(file, "preference"), 20 if smoke else TAKEN)]
        held_out = rows[: max(4, len(rows) // 10)]
        run = trained(
            "dpo",
            name,
            rows=rows[len(held_out) :],
            val_rows=held_out,
            model=model,
            **length | {"seq_len": 512, "batch_size": 4, "val_tokens": 12_000, "precision": "auto"},
        )
        vals = [line for line in run.metrics() if "val_accuracy" in line]
        found[file.name] = {
            "accuracy_before": vals[0]["val_accuracy"],
            "accuracy_after": vals[-1]["val_accuracy"],
            "chosen_logp": [vals[0]["val_chosen_logp"], vals[-1]["val_chosen_logp"]],
            "rejected_logp": [vals[0]["val_rejected_logp"], vals[-1]["val_rejected_logp"]],
            "pairs": run.info["data"]["train"]["examples"] // 2,
            "held_out_pairs": run.info["data"]["val"]["examples"] // 2,
            "seconds": run.info["results"]["train_seconds"],
            "lr": run.info["config"]["lr"],
        }
    return found
