"""A small student with its teacher and without: equal data, order, steps and starting weights; only the loss differs.

The teachers are the models that `fledge quickstart` leaves (3.3M parameters, seed 1). Two stages, a run of each kind and
seed: new weights, a third of the teacher's, on the world's text; and what pretraining alone made of them on the world's
conversations. Measured on rows that nobody trained on: KL(teacher ‖ student) in nats a token, bits per byte, and the facts
that the student knows. About half an hour on one core; stopped, it goes on with the next run.

    fledge quickstart            once, in this folder
    python bench/distill.py
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from typing import Any

from _record import bar, record

STUDENT = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 2, "num_attention_heads": 2}
STUDENT |= {"num_key_value_heads": 2}
TEXT = {"seq_len": 128, "batch_size": 8, "val_tokens": 3_000}
CHAT = {"seq_len": 256, "batch_size": 4, "val_tokens": 3_000}
MEASURED = ("fact_seen_form", "fact_heldout_form", "format", "arithmetic_seen")


def distance(student: str, teacher: str, rows: list[Any], kind: str) -> float:
    """KL(teacher ‖ student) on held-out rows, nats a token."""
    import torch

    from fledge.api import load
    from fledge.data import eval_batches, prepare_rows
    from fledge.jobs.language import model_inputs
    from fledge.training.divergence import Recipe, distillation_loss

    own, its = load(student), load(teacher)
    data = prepare_rows(rows, own.tokenizer, kind=kind, name="val")  # type: ignore[arg-type]
    apart, count = 0.0, 0
    with torch.no_grad():
        for batch in eval_batches(data, 256, 8, 50_000, own.tokenizer.endoftext_id):
            inputs = model_inputs(batch, own.model.device)
            sides = [x for lm in (own, its) for x in (lm.model.hidden(**inputs), lm.model.lm_head.weight)]
            apart += float(distillation_loss(*sides, batch.targets_BT, Recipe())[2])
            count += batch.count
    return apart / count


def arms(seed: int, steps: tuple[int, int], probes: int) -> dict[str, dict[str, Any]]:
    """Both kinds of run of both stages with one seed: what they measure."""
    from fledge.api import load, train
    from fledge.evaluate.world import evaluate_world
    from fledge.records import Run, runs_root
    from fledge.world import World
    from fledge.world.chat import conversations
    from fledge.world.text import documents

    world = World.build("small", 1)
    text = [{"text": document.text} for document in documents(world, num_bytes=3_000_000)]
    held_text = [{"text": document.text} for document in documents(world, 1_500, split="validation")]
    chats = list(conversations(world, 16_000))
    held_chats, chats = chats[:320], chats[320:]
    teachers = {"text": "quickstart-pretrain", "chat": "quickstart-sft"}
    alone = {"text": "pretrain", "chat": "sft"}
    found: dict[str, dict[str, Any]] = {}
    for kind, rows, held, settings, length in (
        ("text", text, held_text, TEXT, steps[0]),
        ("chat", chats, held_chats, CHAT, steps[1]),
    ):
        for how in ("alone", "distilled"):
            start: dict[str, Any] = {"model": f"bench-text-alone-{seed}"}
            if kind == "text":
                start = {"preset": "cpu-2m", "set": STUDENT, "tokenizer": str(Run.open(teachers[kind]).model_dir)}
            own = {"teacher": teachers[kind], "kind": kind} if how == "distilled" else {}
            if kind == "chat":
                own |= {"weight_decay": 0.0}  # as fine-tuning has it
            name = f"bench-{kind}-{how}-{seed}"
            if Run.exists(name) and (done := Run.open(name).info["results"].get("measured")):
                found[f"{kind} {how}"] = done  # of a bench that was stopped
                continue
            shutil.rmtree(runs_root() / name, ignore_errors=True)
            run = train(
                "distill" if own.get("teacher") else alone[kind],
                rows=rows,
                val_rows=held[:200],
                run=name,
                steps=length,
                seed=seed,
                optimizer="muon",
                **settings,
                **start,
                **own,
            )
            lm = load(run.name)
            report = evaluate_world(
                lm.model, lm.tokenizer, world, num_bytes=probes * 1_000, per_family=probes if kind == "chat" else 1
            )
            found[f"{kind} {how}"] = {
                "kl": distance(run.name, teachers[kind], held, kind),
                "bpb": report.bits["all"].bpb,
                "seconds": run.info["results"]["seconds"],
                "memory_mb": run.info["results"]["memory_mb"],
                **({name: report.rates[name].value for name in MEASURED} if kind == "chat" else {}),
            }
            run.update(results={"measured": found[f"{kind} {how}"]})
    return found


def spread(seeds: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """{arm: {measure: mean, standard deviation and every value}}."""
    return {
        arm: {
            name: {
                "mean": round(statistics.fmean(values), 4),
                "sd": round(statistics.stdev(values), 4) if len(values) > 1 else None,
                "values": [round(value, 4) for value in values],
            }
            for name in seeds[0][arm]
            for values in [[seed[arm][name] for seed in seeds]]
        }
        for arm in seeds[0]
    }


def worst(seeds: list[dict[str, dict[str, Any]]], kind: str, name: str, sign: int = 1) -> float:
    """The smallest advantage of the distilled student over the one alone, over all seeds."""
    return min(sign * (seed[f"{kind} alone"][name] - seed[f"{kind} distilled"][name]) for seed in seeds)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="a few steps of one seed, and no result file")
    asked = parser.parse_args(argv)
    steps, probes = ((4, 4), 5) if asked.smoke else ((200, 150), 100)
    seeds = [arms(seed, steps, probes) for seed in range(1 if asked.smoke else asked.seeds)]
    record(
        "distill",
        smoke=asked.smoke,
        seeds=len(seeds),
        steps={"text": steps[0], "chat": steps[1]},
        student=STUDENT,
        arms=spread(seeds),
        bars={
            "KL to the teacher on text: alone - distilled, worst seed": bar(worst(seeds, "text", "kl"), ">=", 1e-9),
            "bits per byte of the world's text: alone - distilled, worst seed": bar(
                worst(seeds, "text", "bpb"), ">=", 1e-9
            ),
            "KL to the teacher on answers: alone - distilled, worst seed": bar(worst(seeds, "chat", "kl"), ">=", 1e-9),
            "facts in unseen forms: distilled - alone, worst seed": bar(
                worst(seeds, "chat", "fact_heldout_form", -1), ">=", 1e-9
            ),
        },
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
