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
from fledge.records import Run
from fledge.world import World
from fledge.world.preferences import preferences, worth
from fledge.world.probes import probes

CARELESS, PAIRS, HELD_OUT, ANSWERS = 3000, 12_000, 400, 200
TAKEN = 400  # rows of a real file: a model of 135M reads them in minutes on two cores
SETTINGS = {"seq_len": 256, "batch_size": 8, "val_tokens": 20_000, "precision": "fp32"}


def trained(job: str, name: str, **settings: Any) -> Run:
    if Run.exists(name) and Run.open(name).info["status"] == "done":
        return Run.open(name)
    return fledge.train(job, run=name, resume=Run.exists(name), **SETTINGS | settings)


def mixed(world: World, seed: int) -> list[dict[str, Any]]:
    """Conversations with answers of both kinds, as often the one as the other."""
    draw = random.Random(seed)
    rows = preferences(world, CARELESS, seed=1_000_000 + seed)
    return [{"conversations": row[draw.choice(("chosen", "rejected"))]} for row in rows]


def prefers(name: str, pairs: list[dict[str, Any]]) -> float:
    """How often the chosen answer is likelier than the rejected one: the model's own preference, without a reference."""
    lm = fledge.load(name)
    rendered = [lm.tokenizer.render_ids(row[side]) for row in pairs for side in ("chosen", "rejected")]
    nats = token_nats(lm.model, [ids for ids, _ in rendered])
    likely = [-float(paid[mask_of(mask)].sum()) for paid, (_, mask) in zip(nats, rendered)]
    return statistics.fmean(float(a > b) for a, b in zip(likely[0::2], likely[1::2]))


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
    steps = {"steps": 3} if smoke else {}
    careless = trained("sft", "careless", rows=mixed(world, 0), model=sft, **({"steps": 60} | steps)).name
    found: dict[str, list[float]] = {}

    def note(**numbers: float) -> None:
        for name, value in numbers.items():
            found.setdefault(name, []).append(value)
        print(numbers, flush=True)

    for seed in range(seeds):
        rows = list(preferences(world, 200 if smoke else PAIRS, seed=seed))
        held_out = list(preferences(world, HELD_OUT, seed=1000 + seed))
        note(prefers_before=prefers(careless, held_out), worth_before=answers_worth(careless, held_out, seed))
        note(facts_before=facts(careless, world))
        dpo = trained(
            "dpo", f"dpo-{seed}", rows=rows, val_rows=held_out, model=careless, seed=seed, **({"epochs": 1} | steps)
        )
        first, *_, last = [line["val_accuracy"] for line in dpo.metrics() if "val_accuracy" in line]
        note(accuracy_before=first, accuracy_after=last, prefers_after=prefers(dpo.name, held_out))
        note(worth_after=answers_worth(dpo.name, held_out, seed), facts_after=facts(dpo.name, world))
        reward = trained(
            "reward", f"reward-{seed}", rows=rows, val_rows=held_out, model=sft, seed=seed, **({"epochs": 2} | steps)
        )
        note(reward_accuracy=reward.info["results"]["val_accuracy"], seconds_dpo=dpo.info["results"]["train_seconds"])
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
