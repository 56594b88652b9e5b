"""MiniMind's training scripts on our engine: their arguments become settings of `fledge.train`, and its results their files.

What a script leaves: `out/{weight}_{hidden}.pth` (fp16, as MiniMind loads it), `checkpoints/{weight}_{hidden}_resume.pth`, which
names the run that `--from_resume 1` goes on with, and that run, `runs/minimind-{weight}_{hidden}`, with the exact state.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from fledge.errors import UserError
from fledge.interop.minimind.arguments import parse, settings, values
from fledge.interop.minimind.files import Place, choose, find_weights, weight_folders, weight_name
from fledge.interop.minimind.parity import ADAMW
from fledge.interop.minimind.practice import find_data, is_practice
from fledge.interop.minimind.runs import free_name, resumable, run_name, saver
from fledge.interop.minimind.tables import DOORS, Generation, default, file_of, rows_of
from fledge.interop.minimind.tokenizer import ensure_tokenizer, taken_back
from fledge.lang import say
from fledge.records import Run
from fledge.training.config import CHANGEABLE

SEED = 42
# MiniMind holds nothing out; a small part lets a run say how well it does on text that it has not seen.
HELD_OUT = 0.02
Args = dict[str, Any]


def train(door: str, place: Place, argv: list[str]) -> int:
    """Parse, find the files, train, and say what comes next."""
    typed = parse(door, argv)
    if not DOORS[door].opens:
        raise UserError(_not_yet(door))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            say(
                "多张显卡一起训练还没有做好：直接用 python 启动这个脚本，不用 torchrun。",
                "training on several cards at once has not landed yet: start the script with python, without torchrun.",
            )
        )
    place.enter()
    generation = choose(door, typed, place, is_practice)
    args = values(door, generation, typed)
    name = weight_name(args["save_weight"], args["hidden_size"], args["use_moe"])
    weights = place.find(args["save_dir"], "save_dir" in typed) / f"{name}.pth"
    run = resumable(place, name) if args["from_resume"] else None
    if run is None:
        config, made = _new(door, generation, args, typed, place, name)
        with taken_back(made, config["run"]):
            return _train(door, place, config, args, weights)
    mine = run.info["job"] == job_of(door, args)  # else the engine says whose it is
    if mine and run.info["status"] == "done" and not _longer(run, typed):
        print(say(f"{run.name} 已经练完了，没有要接着练的。", f"{run.name} is finished: there is nothing left to do."))
        print(_next(door, place, args))
        return 0
    return _train(door, place, _changed(door, args, typed, place, run), args, weights)


def job_of(door: str, args: Args) -> str:
    """The job of a script; with --parity the one that computes as MiniMind does."""
    if not args["parity"]:
        return DOORS[door].job
    if door != "pretrain":
        only = f"`python trainer/{file_of('pretrain')}`"
        raise UserError(
            say(f"--parity 只用于 {only}：这里去掉它。", f"--parity is there for {only}: leave it out here.")
        )
    return "minimind_pretrain"


def _longer(run: Run, typed: Args) -> bool:
    """Whether a finished run was given another length."""
    asked = {"epochs": typed.get("epochs"), "steps": typed.get("max_steps")}
    return any(value is not None and run.info["config"][setting] != value for setting, value in asked.items())


def _train(door: str, place: Place, config: dict[str, Any], args: Args, weights: Path) -> int:
    from fledge import api

    save = saver(place, config["run"], weights)
    try:
        run = api.train(job_of(door, args), on_save=save, **config)
    except KeyboardInterrupt as stop:
        if not stop.args:  # before the first step: there is nothing to go on with
            raise
        again = f"python {place.shown(place.door)} --from_resume 1{_which(door, args, 'save_weight')}"
        zh, en = (
            ("已停止并保存。", "stopped and saved.")
            if stop.args[1]
            else ("停在一步中间，没有保存。", "stopped, not saved.")
        )
        print(say(f"\n{zh}接着练：{again}", f"\n{en} To go on: {again}"), file=sys.stderr)
        return 130
    print(say(f"权重：{place.shown(weights)}", f"weights: {place.shown(weights)}"))
    record = f"fledge runs show {place.shown(run.path.absolute())}"
    print(say(f"记录：{record}", f"record: {record}"))
    print(_stood_still(run), end="")
    print(_next(door, place, args))
    return 0


def _stood_still(run: Run) -> str:
    """MiniMind fine-tunes gigabytes at a millionth; on a small file such a rate teaches nothing, and that is said."""
    losses = [row["val_loss"] for row in run.metrics() if row.get("val_loss")]
    rate = run.info["config"]["lr"]
    if rate > 1e-5 or len(losses) < 2 or losses[-1] < 0.95 * losses[0]:
        return ""
    was, now = losses[0], losses[-1]
    return say(
        f"验证损失几乎没动（{was:.3f} → {now:.3f}）：学习率 {rate:g} 是给几 GB 数据用的，数据这么少请加 "
        "--learning_rate 5e-4 再练。\n",
        f"The validation loss hardly moved ({was:.3f} → {now:.3f}): a rate of {rate:g} is meant for gigabytes; with so little data "
        "train again with --learning_rate 5e-4.\n",
    )


def _not_yet(door: str) -> str:
    what, file = DOORS[door].what, file_of(door)
    ready = [file_of(name) for name, other in DOORS.items() if other.job and other.opens]
    return say(
        f"{what}（{file}）还没有做好，参数已和 MiniMind 一样；能用的是 {'、'.join(ready)}。",
        f"{what} ({file}) has not landed yet; its arguments are MiniMind's already. What works now: {', '.join(ready)}.",
    )


def _new(
    door: str, generation: Generation, args: Args, typed: Args, place: Place, name: str
) -> tuple[dict[str, Any], list[Path]]:
    """(the settings of a new run, the files of a tokenizer that were made for it)."""
    data = place.find(args["data_path"], "data_path" in typed)
    start = _start(door, args, typed, generation, place)
    find_data(place, data)
    tokenizer, made = ensure_tokenizer(place, data, rows_of(DOORS[door].job), start.get("set", {}).get("vocab_size"))
    run = free_name(name)
    if args["from_resume"]:
        print(_nothing_to_resume(place, args))
    elif run != run_name(name):
        print(say(f"之前的训练记录保留着；这次叫 {run}。", f"The earlier run stays; this one is called {run}."))
    files = {"data": [place.short(data)], "tokenizer": place.short(tokenizer), "run": run}
    return {
        **ADAMW, **settings(door, args, typed), **start, **files, "seed": SEED, "val_fraction": HELD_OUT
    }, made  # fmt: skip


def _changed(door: str, args: Args, typed: Args, place: Place, run: Run) -> dict[str, Any]:
    """The settings of a run that goes on: its own, and of the arguments only those that were typed."""
    begun = run.info["config"]
    own = args | {k: begun[k] for k in ("device", "accumulation_steps") if k not in typed}
    fields = settings(door, own, typed)
    fields["data"] = [place.short(place.find(args["data_path"], "data_path" in typed))]
    changes = {}
    for name in typed:
        field = DOORS[door].setting(name)
        if field not in fields:
            continue
        changes[field] = fields[field]
        if field not in CHANGEABLE and fields[field] != begun.get(field):
            raise UserError(
                say(
                    f"训练 '{run.name}' 开始时用的是另一个 --{name}：要接着练，就去掉它。",
                    f"run '{run.name}' was started with another --{name}: leave it out to go on.",
                )
            )
    layers = run.info["model"]["num_hidden_layers"]
    if typed.get("num_hidden_layers", layers) != layers:
        raise UserError(
            say(
                f"训练 '{run.name}' 的模型有 {layers} 层：要接着练，就去掉 --num_hidden_layers。",
                f"run '{run.name}' has {layers} layers: leave --num_hidden_layers out to go on.",
            )
        )
    step = run.info["results"].get("step")
    at = say(f"（停在第 {step} 步）", f", which stopped at step {step}") if step else ""
    print(say(f"接着练 {run.name}{at}。", f"Going on with {run.name}{at}."))
    return {"run": run.name, "resume": True} | changes


def _start(door: str, args: Args, typed: Args, generation: Generation, place: Place) -> dict[str, Any]:
    """What the model starts from: weights in a .pth, or new ones of MiniMind's shape."""
    if args["use_moe"]:
        raise UserError(
            say(
                "这里不能训练 MiniMind 的混合专家：v2 的形状别的程序都加载不了，v3 的路由器从损失里什么也学不到。"
                "去掉 --use_moe，或者用 `fledge train pretrain --preset moe-8m`。",
                "MiniMind's mixture of experts cannot be trained here: v2's has a shape that no other program loads, and v3's "
                "router learns nothing from the loss. Leave --use_moe out, or use `fledge train pretrain --preset moe-8m`.",
            )
        )
    if args["from_weight"] == "none":
        if not DOORS[door].fresh:
            return {}  # the engine says that it needs a model
        preset, shape = new_shape(generation, args["hidden_size"], args["num_hidden_layers"])
        return {"preset": preset, "set": shape}
    folders = weight_folders(place, typed)
    path = find_weights(place, folders, args["from_weight"], args["hidden_size"], args["use_moe"], "from_weight")
    from fledge.interop.minimind.pth import generation_of, read_pth

    config = read_pth(path)[0]
    if typed.get("num_hidden_layers", config.num_hidden_layers) != config.num_hidden_layers:
        has, asked = config.num_hidden_layers, args["num_hidden_layers"]
        raise UserError(
            say(
                f"{place.shown(path)} 有 {has} 层，不是 {asked} 层：去掉 --num_hidden_layers。",
                f"{place.shown(path)} has {has} layers, not {asked}: leave --num_hidden_layers out.",
            )
        )
    if typed.get("compat", found := generation_of(config)) != found:
        raise UserError(
            say(
                f"{place.shown(path)} 是 MiniMind {found} 的，不是 {typed['compat']} 的：去掉 --compat。",
                f"{place.shown(path)} is of MiniMind {found}, not {typed['compat']}: leave --compat out.",
            )
        )
    return {"model": place.short(path)}


def new_shape(generation: Generation, hidden_size: int, num_hidden_layers: int) -> tuple[str, dict[str, int]]:
    """(preset, changes) of MiniMind's model of that width and depth."""
    from fledge.interop.minimind.pth import HEADS, minimind_config

    if hidden_size % (2 * HEADS) or hidden_size < 1:
        raise UserError(
            say(
                f"--hidden_size 是 {hidden_size}，但 MiniMind 有 {HEADS} 个头，所以应该是 {2 * HEADS} 的倍数。",
                f"--hidden_size is {hidden_size}; MiniMind's {HEADS} heads need a multiple of {2 * HEADS}.",
            )
        )
    shape = minimind_config(generation, hidden_size, num_hidden_layers)
    names = ("hidden_size", "intermediate_size", "head_dim", "num_hidden_layers", "vocab_size")
    return "minimind2-small" if generation == "v2" else "minimind-3", {name: getattr(shape, name) for name in names}


def _nothing_to_resume(place: Place, args: Args) -> str:
    others = sorted(p.name for p in (place.root / "checkpoints").glob("*_resume.pth"))
    zh = f"（有的是：{'、'.join(others)}，用 --save_weight 和 --hidden_size 指定）" if others else ""
    en = f" (there are {', '.join(others)}: name one with --save_weight and --hidden_size)" if others else ""
    return say(f"没有可以接着练的训练{zh}，从头开始。", f"There is nothing to go on with{en}: starting afresh.")


def _which(door: str, args: Args, *more: str) -> str:
    """The arguments that name this model's files, where they are not what a bare command takes."""
    names = [n for n in (*more, "hidden_size", "save_dir") if args[n] != default(door, n, "v2")]
    return "".join(f" --{name} {args[name]}" for name in names)


def _next(door: str, place: Place, args: Args) -> str:
    """What to type after this script."""
    which = _which(door, args)
    if door == "pretrain":
        script = place.shown(place.folder / "train_full_sft.py")
        command = f"python {script} --from_weight {args['save_weight']}{which}"
        return say(f"下一步，教它回答：{command}", f"Next, teach it to answer: {command}")
    command = f"python eval_llm.py --weight {args['save_weight']}{which}"
    return say(f"下一步，在项目根目录和它聊聊：{command}", f"Next, talk with it, in the project's root: {command}")
