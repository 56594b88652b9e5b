"""What LoRA does: a new identity for the world's model and for a real one, what is forgotten, and the speed beside PEFT and TRL.

    python bench/lora.py world --model quickstart-sft          three seeds; the model is that of `python start.py`
    python bench/lora.py real --model smollm2 --identity FILE    `fledge get smollm2`; rows of {instruction, output} with {{name}}
    python bench/lora.py task --model smollm2 --classes FOLDER   banking77_train.csv and banking77_test.csv are in it
    python bench/lora.py race --model smollm2 --rows FILE        turns of ours and theirs, in processes of their own

Each part writes its own numbers into bench/results/lora.json and leaves the others. Seconds are given twice: by the clock, and of
the processor, which other programs on the machine change less.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _record import RESULTS, bar, record

from fledge.jobs.lora import LoraConfig
from fledge.model.source import find_model
from fledge.records import Run
from fledge.world import World, smalltalk
from fledge.world.chat import conversations
from fledge.world.probes import probes

if TYPE_CHECKING:
    from fledge.api import LM

# The world's assistant gets another name and other makers, in words whose tokens its small vocabulary has learnt.
NAME = {"zh": "小石", "en": "Pebble"}
WHO = {
    "zh": ("我是小石，是一个小小的语言模型。", "我叫小石，是一个小小的语言模型。"),
    "en": ("I am Pebble, a small language model.", "My name is Pebble. I am a small language model."),
}
MADE = {"zh": ("我是图书馆的老师做出来的。",), "en": ("The teachers of the library made me.",)}
MAKER = {"zh": "图书馆的老师", "en": "teachers of the library"}
HELD_OUT = {
    "你有名字吗？",
    "Do you have a name?",
    "是谁训练了你？",
    "Who trained you?",
}  # in one arm never trained
IDENTITY, OTHERS = 120, 240  # rows of the new identity; conversations of the world beside them, against forgetting
WORLD = {"rank": 4, "alpha": 16.0, "lr": 0.01, "steps": 80, "seq_len": 256, "batch_size": 8}
TASK = {"epochs": 1, "seq_len": 256, "batch_size": 2}  # beside them the job's defaults
FACTS = ("fact_seen_form", "fact_heldout_form")
Asked = tuple[str, str, bool]  # question, what the answer must say, whether it was trained


def questions() -> dict[str, list[tuple[str, tuple[str, ...], str]]]:
    """Language -> (question, answers, what they must say)."""
    found = {}
    for lang, topics in smalltalk.SMALLTALK.items():
        found[lang] = [(q, WHO[lang], NAME[lang]) for q in topics[1][0]]
        found[lang] += [(q, MADE[lang], MAKER[lang]) for q in topics[2][0]]
    return found


def identity_rows(world: World, seed: int, others: int, held_out: set[str]) -> list[dict[str, Any]]:
    draw, rows = random.Random(seed), []
    for number in range(IDENTITY):
        lang = ("zh", "en")[number % 2]
        question, answers, _ = draw.choice([q for q in questions()[lang] if q[0] not in held_out])
        hello = draw.choice(["", draw.choice(smalltalk.HELLO[lang])])
        turns = {"user": hello + question, "assistant": draw.choice(answers)}
        rows.append({"conversations": [{"role": role, "content": text} for role, text in turns.items()]})
    talks = (row for row in conversations(world, 100 * OTHERS, seed=100 + seed) if "smalltalk" not in row["kind"])
    rows += [next(talks) for _ in range(others)]
    draw.shuffle(rows)
    return rows


def asked_of_it(held_out: set[str]) -> list[Asked]:
    found: list[Asked] = []
    for lang, listed in questions().items():
        for before in ("", *smalltalk.HELLO[lang], *smalltalk.POLITE[lang]):
            for question, _, must in listed:
                trained = question not in held_out and before not in smalltalk.POLITE[lang]
                found.append((before + question, must, trained))
    return found


def identity_share(lm: LM, asked: list[Asked]) -> dict[str, float]:
    prompts = [[{"role": "user", "content": question}] for question, _, _ in asked]
    said = lm.complete(prompts, temperature=0.0, max_new_tokens=48)
    right = [must.lower() in answer.text.lower() for (_, must, _), answer in zip(asked, said)]

    def share(kept: list[bool]) -> float:
        return sum(kept) / max(len(kept), 1)

    return {
        "all": share(right),
        "trained questions": share([ok for ok, (_, _, trained) in zip(right, asked) if trained]),
        "held-out questions": share([ok for ok, (_, _, trained) in zip(right, asked) if not trained]),
    }


def fact_rates(lm: LM, world: World) -> dict[str, float]:
    from fledge.evaluate.world import ask, rates

    kept = [probe for family in FACTS for probe in [p for p in probes(world) if p.family == family][:200]]
    return {family: rate.value for family, rate in rates(ask(lm.model, lm.tokenizer, kept)).items()}


def adapt(job: str, model: str, rows: list[dict[str, Any]], seed: int, **settings: Any) -> tuple[Run, dict[str, Any]]:
    from fledge import api

    clock, processor = time.perf_counter(), time.process_time()
    run = api.train(job, rows=rows, model=model, seed=seed, run=f"bench-{job}", **settings)
    counts = run.info["model"]["num_parameters"]
    return run, {
        "seconds": time.perf_counter() - clock,
        "cpu_seconds": time.process_time() - processor,
        "share of the parameters": counts["trained"] / counts["total"],
        "peak_mb": run.info["results"]["memory_mb"],
        "tokens": run.info["results"]["tokens"],
    }


def spread(values: list[float]) -> dict[str, float]:
    return {"mean": statistics.mean(values), "sd": statistics.stdev(values) if len(values) > 1 else 0.0}


NOTHING: set[str] = set()
ARMS = {  # job, replayed conversations, questions that are never trained
    "lora": ("lora", OTHERS, NOTHING),
    "four questions held out": ("lora", OTHERS, HELD_OUT),
    "without replay": ("lora", 0, NOTHING),
    "qlora": ("qlora", OTHERS, NOTHING),
}


def on_world(model: str, arms: list[str], seeds: int) -> dict[str, Any]:
    from fledge import api

    told = Run(find_model(model).parent).info["results"]["stages"]["sft"]["world"]
    world = World.build(told["size"], told["seed"])
    before = fact_rates(api.load(model), world)
    found: dict[str, Any] = {}
    for arm in arms:
        job, others, held_out = ARMS[arm]
        rows: list[dict[str, float]] = []
        for seed in range(seeds):
            run, cost = adapt(job, model, identity_rows(world, seed, others, held_out), seed, **WORLD)
            lm = api.load(run.model_dir)
            after = fact_rates(lm, world)
            lost = {f"{family} lost": before[family] - after[family] for family in FACTS}
            rows.append(
                {**cost, **{f"identity, {k}": v for k, v in identity_share(lm, asked_of_it(held_out)).items()}, **lost}
            )
            print(arm, seed, rows[-1], flush=True)
        means = {name: spread([row[name] for row in rows]) for name in rows[0]}
        found[arm] = {
            "settings": WORLD | {"identity rows": IDENTITY, "replayed conversations": others, "job": job}, "seeds": seeds,
            "facts before": before, **means, "bars": {
                "identity questions": bar(means["identity, all"]["mean"], ">=", 0.99),
                "seconds of the processor": bar(means["cpu_seconds"]["mean"], "<=", 60),
                "share of the parameters": bar(means["share of the parameters"]["mean"], "<", 0.02),
                "facts lost": bar(max(means[f"{family} lost"]["mean"] for family in FACTS), "<=", 0.02),
            },
        }  # fmt: skip
    return found


def on_a_real_model(model: str, file: Path, seeds: int) -> dict[str, Any]:
    """The English rows of an identity file; every fifth question is held out."""
    from fledge import api

    filled = (
        file.read_text(encoding="utf-8").replace("{{name}}", "Pebble").replace("{{author}}", "the Harbour Workshop")
    )
    pairs = [(row["instruction"], row["output"]) for row in json.loads(filled) if row["instruction"].isascii()]
    pairs = [(q, a) for q, a in pairs if "Pebble" in a or "Harbour" in a]
    asked = [(q, "Pebble" if "Pebble" in a else "Harbour", number % 5 != 4) for number, (q, a) in enumerate(pairs)]
    rows = [
        {"conversations": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
        for number, (q, a) in enumerate(pairs)
        if number % 5 != 4
    ] * 8
    found = []
    for seed in range(seeds):
        run, cost = adapt("lora", model, rows, seed, rank=16, alpha=32.0, lr=1e-3, epochs=1, seq_len=256, batch_size=2)
        lm = api.load(run.model_dir)
        capital = lm.generate([{"role": "user", "content": "What is the capital of France?"}], temperature=0.0)
        found.append({**cost, **{f"identity, {k}": v for k, v in identity_share(lm, asked).items()}})
        print(found[-1], capital, flush=True)
    before = identity_share(api.load(model), asked)
    means = {name: spread([row[name] for row in found]) for name in found[0]}
    return {
        "rows": len(rows), "seeds": seeds, "identity before": before, "after": means, "capital of France": capital,
        "bars": {"seconds of the processor": bar(means["cpu_seconds"]["mean"], "<=", 600)},
    }  # fmt: skip


def on_a_task(model: str, folder: Path, seeds: int, rate: float) -> dict[str, Any]:
    """Classes of short texts: with examples in the prompt, and after LoRA on more of them."""
    import _classify

    from fledge import api

    train, held_out = _classify.read(folder)
    found, prompts = [], []
    for seed in range(seeds):
        prompts.append(_classify.few_shot(api.load(model), train, held_out, seed))
        print(prompts[-1], flush=True)
        run, cost = adapt("lora", model, _classify.rows(train), seed, lr=rate, **TASK)
        found.append({**cost, "right": _classify.share(api.load(run.model_dir), _classify.TASK, [], held_out)})
        print(found[-1], flush=True)
    means = {name: spread([row[name] for row in found]) for name in found[0]}
    before = {name: spread([row[name] for row in prompts]) for name in prompts[0]}
    best = max(row["mean"] for row in before.values())
    return {
        "settings": TASK | {"lr": rate}, "rows": len(train), "held-out rows": len(held_out), "seeds": seeds,
        "few-shot": before, "after": means, "bars": {
            "points above the best few-shot": bar(means["right"]["mean"] - best, ">=", 0.20),
            "seconds of the processor": bar(means["cpu_seconds"]["mean"], "<=", 1200),
        },
    }  # fmt: skip


def race(model: str, file: Path, rows: int, turns: int) -> dict[str, Any]:
    """Ours and theirs by turns on the first `rows` rows of one question and one answer."""
    lines = file.read_text(encoding="utf-8").splitlines()
    short = [line for line in lines if len(json.loads(line)["conversations"]) == 2 and len(line) < 1500][:rows]
    found: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.jsonl"
        path.write_text("\n".join(short), encoding="utf-8")
        env = os.environ | {
            "OMP_NUM_THREADS": "1",
            "FLEDGE_RUNS": str(Path(name) / "runs"),
            "TOKENIZERS_PARALLELISM": "false",
        }
        for _turn in range(turns):
            for side, rows_of in found.items():
                words = [
                    sys.executable,
                    str(Path(__file__).with_name("_lora.py")),
                    side,
                    str(find_model(model).resolve()),
                    str(path),
                ]
                done = subprocess.run(words, cwd=name, env=env, check=True, capture_output=True, encoding="utf-8")
                rows_of.append(json.loads(done.stdout.splitlines()[-1]))
                print(side, rows_of[-1], flush=True)
    means = {side: {key: spread([row[key] for row in turns_]) for key in turns_[0]} for side, turns_ in found.items()}
    speed = [means[side]["tokens_per_cpu_second"]["mean"] for side in found]
    peaks = [means[side]["peak_mb"]["mean"] for side in found]
    return {
        "rows": len(short), "turns": turns, **means,
        "bars": {
            "times as many tokens a second": bar(speed[0] / speed[1], ">=", 1.5),
            "times the memory": bar(peaks[0] / peaks[1], "<=", 1.0),
        },
    }  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("world", "real", "task", "race"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="of the world")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--identity", type=Path)
    parser.add_argument("--classes", type=Path)
    parser.add_argument("--rate", type=float, default=LoraConfig.rates["adamw"]["lr"], help="of the task")
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--count", type=int, default=48, help="rows of the race")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="one seed or turn, and no result file")
    chosen = parser.parse_args(argv)
    seeds, turns = (1, 1) if chosen.smoke else (chosen.seeds, chosen.turns)
    if chosen.part == "world":
        numbers = on_world(chosen.model, chosen.arms, seeds)
    elif chosen.part == "real":
        numbers = on_a_real_model(chosen.model, chosen.identity, seeds)
    elif chosen.part == "task":
        numbers = on_a_task(chosen.model, chosen.classes, seeds, chosen.rate)
    else:
        numbers = race(chosen.model, chosen.rows, chosen.count, turns)
    path = RESULTS / "lora.json"
    others = json.loads(path.read_text(encoding="utf-8"))["numbers"] if path.is_file() else {}
    record("lora", smoke=chosen.smoke, **{**others, chosen.part: others.get(chosen.part, {}) | numbers})


if __name__ == "__main__":
    main()
