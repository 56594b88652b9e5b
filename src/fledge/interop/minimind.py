"""MiniMind's training scripts on our engine: their arguments become settings of `fledge.train`, and its results their files.

What a script leaves: `out/{weight}_{hidden}.pth` (fp16, as MiniMind loads it), `checkpoints/{weight}_{hidden}_resume.pth`, which
names the run that `--from_resume 1` goes on with, and that run, `runs/minimind-{weight}_{hidden}`, with the exact state.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fledge.cli import outside, use_utf8
from fledge.errors import UserError
from fledge.interop import minimind_flags as flags
from fledge.interop.minimind_eval import evaluate
from fledge.interop.minimind_files import Place, choose, find_weights, weight_folders, weight_name
from fledge.interop.minimind_practice import find_data, is_practice
from fledge.interop.minimind_runs import free_name, resumable, run_name, saver
from fledge.interop.minimind_tokenizer import ensure_tokenizer, train_tokenizer
from fledge.interop.parity import ADAMW
from fledge.lang import say
from fledge.records import Run
from fledge.training.config import CHANGEABLE

SEED = 42
# MiniMind holds nothing out; a small part lets a run say how well it does on text that it has not seen.
HELD_OUT = 0.02
PRECISIONS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
Args = dict[str, Any]


def run_script(script: str, door: str, argv: list[str] | None = None) -> int:
    """Run `trainer/train_{script}.py`; `door` is that file. Returns the exit code."""
    return guarded(lambda: train(script, Place(door), sys.argv[1:] if argv is None else argv))


def run_tokenizer(door: str, argv: list[str] | None = None) -> int:
    """Run `train_tokenizer.py`."""
    return guarded(lambda: train_tokenizer(Place(door), sys.argv[1:] if argv is None else argv))


def run_eval(door: str, argv: list[str] | None = None) -> int:
    """Run `eval_llm.py`."""
    return guarded(lambda: evaluate(Place(door), sys.argv[1:] if argv is None else argv))


def guarded(work: Callable[[], int]) -> int:
    """Do the work; a user's mistake, and what is wrong with the machine, is one sentence and exit code 2."""
    use_utf8()
    try:
        return work()
    except UserError as error:
        sentence = in_their_words(str(error))
        if os.environ.get("FLEDGE_DEBUG"):
            raise
    except KeyboardInterrupt:
        print(say("\n已停止。", "\nstopped."), file=sys.stderr)
        return 130
    except (OSError, MemoryError, RuntimeError) as error:
        sentence = in_their_words(outside(error))
        if not sentence or os.environ.get("FLEDGE_DEBUG"):
            raise
    print(say("出错：", "error: ") + sentence, file=sys.stderr)
    return 2


def in_their_words(sentence: str) -> str:
    """The engine's sentence with MiniMind's arguments in the place of ours; commands in backticks stay as they are."""
    names = {f"--{flag.field.replace('_', '-')}": f"--{name}" for name, flag in flags.FLAGS.items() if flag.field}
    parts = sentence.split("`")
    parts[::2] = [re.sub(r"--[a-z_-]+", lambda found: names.get(found[0], found[0]), part) for part in parts[::2]]
    return "`".join(parts)


def train(script: str, place: Place, argv: list[str]) -> int:
    """Parse, find the files, train, and say what comes next."""
    typed = flags.parse(script, argv)
    if flags.SCRIPTS[script].job is None:
        raise UserError(_not_yet(script))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            say(
                "多张显卡一起训练还没有做好：直接用 python 启动这个脚本，不用 torchrun。",
                "training on several cards at once has not landed yet: start the script with python, without torchrun.",
            )
        )
    place.enter()
    generation = choose(script, typed, place, is_practice)
    args = flags.values(script, generation, typed)
    name = weight_name(args["save_weight"], args["hidden_size"], args["use_moe"])
    run = resumable(place, name) if args["from_resume"] else None
    if run and run.info["status"] == "done" and not _longer(run, typed):
        print(say(f"{run.name} 已经练完了，没有要接着练的。", f"{run.name} is finished: there is nothing left to do."))
        print(_next(script, place, args))
        return 0
    settings = _changes(args, typed, place, run) if run else _settings(script, generation, args, typed, place, name)
    out = place.find(args["save_dir"], "save_dir" in typed)
    return _train(script, place, settings, args, out / f"{name}.pth")


def _longer(run: Run, typed: Args) -> bool:
    """Whether a finished run was given another length."""
    asked = {flags.FLAGS[name].field or "": typed[name] for name in ("epochs", "max_steps") if name in typed}
    return any(run.info["config"][field] != value for field, value in asked.items())


def _train(script: str, place: Place, settings: dict[str, Any], args: Args, weights: Path) -> int:
    from fledge import api

    save = saver(place, settings["run"], weights)
    try:
        job = "minimind_pretrain" if args["parity"] and script == "pretrain" else flags.SCRIPTS[script].job or ""
        run = api.train(job, on_save=save, **settings)
    except KeyboardInterrupt as stop:
        if not stop.args:  # before the first step: there is nothing to go on with
            raise
        again = f"python {place.shown(place.door)} --from_resume 1{_which(script, args, 'save_weight')}"
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
    print(_next(script, place, args))
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


def _not_yet(script: str) -> str:
    what = flags.SCRIPTS[script]
    return say(
        f"{what.zh}（train_{script}.py）还没有做好，参数已和 MiniMind 一样；能用的是 train_pretrain.py 和 train_full_sft.py。",
        f"{what.en} (train_{script}.py) has not landed yet; its arguments are MiniMind's already. train_pretrain.py and "
        "train_full_sft.py work now.",
    )


def _settings(
    script: str, generation: flags.Generation, args: Args, typed: Args, place: Place, name: str
) -> dict[str, Any]:
    """The settings of a new run."""
    data = place.find(args["data_path"], "data_path" in typed)
    start = _start(args, typed, generation, place)
    find_data(place, data)
    tokenizer = ensure_tokenizer(place, data)
    run = free_name(name)
    if args["from_resume"]:
        print(_nothing_to_resume(place, args))
    elif run != run_name(name):
        print(say(f"之前的训练记录保留着；这次叫 {run}。", f"The earlier run stays; this one is called {run}."))
    return {
        **ADAMW,  # torch's AdamW as MiniMind calls it, and its curve of the learning rate
        **_fields(args, typed),
        **start,
        "data": [place.short(data)],
        "tokenizer": place.short(tokenizer),
        "run": run,
        "seed": SEED,
        "val_fraction": HELD_OUT,
    }


def _changes(args: Args, typed: Args, place: Place, run: Run) -> dict[str, Any]:
    """The settings of a run that goes on: its own, and of the arguments only those that were typed."""
    begun = run.info["config"]
    fields = _fields(args | {k: begun[k] for k in ("device", "accumulation_steps") if k not in typed}, typed)
    fields["data"] = [place.short(place.find(args["data_path"], "data_path" in typed))]
    changes = {}
    for name in typed:
        field = flags.FLAGS[name].field
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


def _fields(args: Args, typed: Args) -> dict[str, Any]:
    """The arguments that become settings of `TrainConfig` whatever the script starts from."""
    fields = {flag.field: args[name] for name, flag in flags.FLAGS.items() if flag.field and name in args}
    for elsewhere in ("data", "model", "resume"):
        del fields[elsewhere]
    fields |= {
        "precision": _precision(args, typed),
        "compile": "on" if args["use_compile"] else "off" if "use_compile" in typed or args["parity"] else "auto",
        "save_every": max(1, round(args["save_interval"] / args["accumulation_steps"])),
        "track": _tracker() if args["use_wandb"] else None,
    }
    if args["max_steps"]:
        fields["epochs"] = None
    return fields


def _precision(args: Args, typed: Args) -> str:
    """--dtype is meant for a CUDA card; MiniMind too ignores it elsewhere."""
    from fledge.device import pick_device

    if pick_device(args["device"]).type == "cuda":
        return PRECISIONS[args["dtype"]]
    if args["parity"] or typed.get("dtype") == "float32":
        return "fp32"
    if "dtype" in typed:
        print(
            say(
                f"--dtype {typed['dtype']} 是给 NVIDIA 显卡用的；这里没有显卡，自动选择最快的精度。",
                f"--dtype {typed['dtype']} is for NVIDIA cards; there is none in use here, so the fastest precision is taken.",
            )
        )
    return "auto"


def _tracker() -> str:
    """MiniMind logs to SwanLab under the name of wandb; whichever is installed is used."""
    import importlib.util

    return "swanlab" if importlib.util.find_spec("swanlab") or not importlib.util.find_spec("wandb") else "wandb"


def _start(args: Args, typed: Args, generation: flags.Generation, place: Place) -> dict[str, Any]:
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
        preset, shape = new_shape(generation, args["hidden_size"], args["num_hidden_layers"])
        return {"preset": preset, "set": shape}
    folders = weight_folders(place, typed)
    path = find_weights(place, folders, args["from_weight"], args["hidden_size"], args["use_moe"], "from_weight")
    from fledge.model.minimind import generation_of, read_pth

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


def new_shape(generation: flags.Generation, hidden_size: int, num_hidden_layers: int) -> tuple[str, dict[str, int]]:
    """(preset, changes) of MiniMind's model of that width and depth."""
    from fledge.model.minimind import HEADS, minimind_config

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


def _which(script: str, args: Args, *more: str) -> str:
    """The arguments that name this model's files, where they are not what a bare command takes."""
    names = [n for n in (*more, "hidden_size", "save_dir") if args[n] != flags.default(script, n, "v2")]
    return "".join(f" --{name} {args[name]}" for name in names)


def _next(script: str, place: Place, args: Args) -> str:
    """What to type after this script."""
    which = _which(script, args)
    if script == "pretrain":
        door = place.shown(place.folder / "train_full_sft.py")
        command = f"python {door} --from_weight {args['save_weight']}{which}"
        return say(f"下一步，教它回答：{command}", f"Next, teach it to answer: {command}")
    command = f"python eval_llm.py --weight {args['save_weight']}{which}"
    return say(f"下一步，在项目根目录和它聊聊：{command}", f"Next, talk with it, in the project's root: {command}")
