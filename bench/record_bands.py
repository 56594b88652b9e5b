"""Reference bands for `fledge runs check`: the same job with several seeds, its mean curve and the spread.

Every set is what a learner would type, with a fixed number of steps; a seed changes the weights, the order of the data,
and for the quickstart the world itself. Writes src/fledge/diagnose/reference/SET.json. About half an hour for all sets on
2 cores, on a machine that does nothing else; the tiny ones take half a minute a seed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from _record import ROOT

from fledge import device
from fledge.diagnose.bands import FOLDER, SETTINGS, run_key
from fledge.diagnose.curves import Curves
from fledge.records import Run, command_line, git_commit, write_atomic

STEPS = 150  # of the runs on real text
MIX = ("en_mix.jsonl.gz", "zh_mix.jsonl.gz")
SETS: dict[str, tuple[str, ...]] = {  # what is run -> the bands that it gives
    "quickstart-tiny": ("quickstart-tiny-pretrain", "quickstart-tiny-sft"),
    "quickstart-small": ("quickstart-small-pretrain", "quickstart-small-sft"),
    "shakespeare-2m": ("shakespeare-cpu-2m",),
    "shakespeare-4m": ("shakespeare-cpu-4m",),
    "mix-2m": ("mix-cpu-2m",),
}
TITLES = {
    "quickstart-tiny-pretrain": ["quickstart --size tiny 的预训练", "pretraining of quickstart --size tiny"],
    "quickstart-tiny-sft": ["quickstart --size tiny 的微调", "fine-tuning of quickstart --size tiny"],
    "quickstart-small-pretrain": ["quickstart 的预训练", "pretraining of quickstart"],
    "quickstart-small-sft": ["quickstart 的微调", "fine-tuning of quickstart"],
    "shakespeare-cpu-2m": ["tinyshakespeare，cpu-2m", "tinyshakespeare, cpu-2m"],
    "shakespeare-cpu-4m": ["tinyshakespeare，cpu-4m", "tinyshakespeare, cpu-4m"],
    "mix-cpu-2m": ["中英混合文本，cpu-2m", "English and Chinese mix, cpu-2m"],
}


def quickstart(size: str, seed: int, smoke: bool) -> list[Run]:
    """Both training stages of `fledge quickstart --size SIZE --seed SEED`, without its measuring and its chat."""
    import dataclasses

    from fledge.cli import quickstart as steps
    from fledge.world import World

    recipe, world = steps.RECIPES[size], World.build(size, seed)
    if smoke:
        recipe = dataclasses.replace(recipe, pretrain_steps=20, sft_steps=20, text_bytes=50_000, conversations=300)
    documents = steps._write_world(world, recipe)
    steps._train_tokenizer(world, recipe, documents)
    pretrained = steps._pretrain(recipe, world, documents, seed)
    return [pretrained, steps._fine_tune(recipe, world, documents, pretrained, seed)]


def pretrain(files: list[Path], preset: str, seed: int, smoke: bool) -> list[Run]:
    """`fledge train pretrain --data FILES --preset PRESET --steps N --seed SEED`."""
    from fledge.api import train

    few = {"steps": 20, "val_tokens": 500} if smoke else {"steps": STEPS}
    return [train("pretrain", data=[str(file) for file in files], preset=preset, seed=seed, **few)]


def run_set(name: str, seed: int, data: Path, smoke: bool) -> tuple[list[Run], str]:
    """The runs of one set, and the command that a learner would type for them."""
    what, size = name.split("-")
    if what == "quickstart":
        return quickstart(size, seed, smoke), f"fledge quickstart --size {size} --seed SEED"
    files = [data / file for file in (MIX if what == "mix" else ("tinyshakespeare.txt",))]
    command = (
        f"fledge train pretrain --data {' '.join(file.name for file in files)} --preset cpu-{size} --steps {STEPS}"
    )
    return pretrain(files, f"cpu-{size}", seed, smoke), f"{command} --seed SEED"


def band(name: str, runs: list[Run], recipe: str) -> dict[str, Any]:
    """The mean and the standard deviation over runs that differ in their seed only."""
    from fledge.diagnose.repetition import repeats

    curves = [Curves(run) for run in runs]
    keys = [run_key(run, curve) for run, curve in zip(runs, curves)]
    key = keys[0]
    assert key is not None and all(other is not None for other in keys)
    fixed = ("job", "shape", "vocab_size", "seq_len", "tokens_per_step", "steps", "replay_share")
    for other in keys:
        if any(other[name] != key[name] for name in fixed):
            raise SystemExit(f"{name}: the seeds did not run the same thing: {key} and {other}")
    average = {
        what: None if key[what] is None else mean_sd([other[what] for other in keys])[0]
        for what in ("bytes_per_token", "tokens", "floor")
    }
    at = [step for step, _ in curves[0].during("val_loss")]
    ends = curves[0].ends()
    rates = [found[0] for run in runs if (found := repeats(run.samples())) is not None]
    return {
        "name": name,
        "title": TITLES[name],
        "recipe": recipe,
        "command": command_line(),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "machine": device.machine(),
        "precision": runs[0].info["precision"],
        "seeds": [run.info["seed"] for run in runs],
        "key": {**{name: key[name] for name in fixed}, **average, "inputs": [other["inputs"][0] for other in keys]},
        "settings": {setting: runs[0].info["config"][setting] for setting in SETTINGS},
        "curve": {
            "step": ends,
            "tokens": [end * key["tokens_per_step"] for end in ends],
            "progress": [end / key["steps"] for end in ends],
            "loss": columns([curve.means("loss") for curve in curves]),
        },
        "validations": {"step": at, "tokens": [step * key["tokens_per_step"] for step in at]}
        | {m: columns([[v for _, v in curve.during(m)] for curve in curves]) for m in ("val_loss", "val_bpb")},
        "final": {m: mean_sd([curve.final(m) for curve in curves]) for m in ("val_loss", "val_bpb")}
        | {"seconds": mean_sd([run.info["results"]["seconds"] for run in runs])}
        | ({"repetition": mean_sd(rates)} if rates else {}),
    }


def mean_sd(values: list[Any]) -> list[float]:
    """[mean, standard deviation], in five digits; one value has no spread."""
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return [float(f"{number:.5g}") for number in (statistics.fmean(values), sd)]


def columns(curves: list[list[float]]) -> dict[str, list[float]]:
    """Curves of several seeds as {"mean": […], "sd": […]}."""
    if len({len(curve) for curve in curves}) != 1 or any(not math.isfinite(v) for curve in curves for v in curve):
        raise SystemExit(f"the seeds' curves have other lengths or holes: {[len(curve) for curve in curves]}")
    pairs = [mean_sd(list(values)) for values in zip(*curves)]
    return {"mean": [mean for mean, _ in pairs], "sd": [sd for _, sd in pairs]}


def write(info: dict[str, Any]) -> None:
    """One line a field: short, and a difference between two recordings can be read."""
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in info.items())
    path = FOLDER / f"{info['name']}.json"
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, "{\n" + lines + "\n}\n")
    print(f"wrote {path.relative_to(ROOT).as_posix()}", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="what to record (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="three or more")
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared/data/pretrain", help="folder of the real texts"
    )
    parser.add_argument("--smoke", action="store_true", help="20 steps and two seeds, and nothing is written")
    chosen = parser.parse_args(argv)
    seeds = chosen.seeds[:2] if chosen.smoke else chosen.seeds
    for name in chosen.sets:
        with tempfile.TemporaryDirectory() as folder:
            by_seed = []
            for seed in seeds:
                os.environ["FLEDGE_RUNS"] = str(Path(folder) / str(seed))
                begun = time.perf_counter()
                with contextlib.redirect_stdout(io.StringIO()):
                    runs, recipe = run_set(name, seed, chosen.data, chosen.smoke)
                by_seed.append(runs)
                ends = ", ".join(f"{run.name} {run.info['results']['val_loss']:.3f}" for run in runs)
                print(f"{name}, seed {seed}: {ends} ({time.perf_counter() - begun:.0f} s)", flush=True)
            for band_name, of_seeds in zip(SETS[name], zip(*by_seed)):
                info = band(band_name, list(of_seeds), recipe)
                if chosen.smoke:
                    print(json.dumps(info["final"]), "smoke run: nothing written", sep="\n")
                else:
                    write(info)


if __name__ == "__main__":
    main()
