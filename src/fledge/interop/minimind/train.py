"""MiniMind's training scripts on our engine: their arguments become settings of `fledge.train`, and its results their files.

What a script leaves: `out/{weight}_{hidden}.pth` (fp16, as MiniMind loads it), `checkpoints/{weight}_{hidden}_resume.pth`, which
names the run that `--from_resume 1` goes on with, and that run, `runs/minimind-{weight}_{hidden}`, with the exact state.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from fledge.errors import UserError, quoted
from fledge.interop.minimind.arguments import parse, settings, values
from fledge.interop.minimind.files import Place, choose, find_weights, weight_folders, weight_name
from fledge.interop.minimind.parity import ADAMW
from fledge.interop.minimind.practice import find_data, is_practice
from fledge.interop.minimind.runs import free_name, resumable, run_name, saver
from fledge.interop.minimind.tables import DOORS, Generation, common, default, file_of, of_generation, rows_of
from fledge.interop.minimind.tokenizer import ensure_tokenizer, taken_back
from fledge.jobs import find_job
from fledge.jobs.settings import FILES
from fledge.lang import _, commas
from fledge.records import Run
from fledge.training.config import CHANGEABLE

SEED = 42
# MiniMind holds nothing out; a small part lets a run say how well it does on text that it has not seen.
HELD_OUT = 0.02
Args = dict[str, Any]


def train(door: str, place: Place, argv: list[str]) -> int:
    """Parse, find the files, train, and say what comes next."""
    own = parse(door, argv)
    typed = common(door, own)
    if not DOORS[door].opens:
        raise UserError(_not_yet(door))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            _("training on several cards at once has not landed yet: start the script with python, without torchrun.")
        )
    place.enter()
    generation = choose(door, typed, place, is_practice)
    args = common(door, values(door, generation, own))
    name = weight_name(args[DOORS[door].named_by], args["hidden_size"], args["use_moe"])
    weights = place.find(args["save_dir"], "save_dir" in typed) / f"{name}.pth"
    run = resumable(place, name) if args["from_resume"] else None
    if run is None:
        config, made = _new(door, generation, args, typed, place, name)
        with taken_back(made, config["run"]):
            return _train(door, place, config, args, weights)
    mine = run.info["job"] == job_of(door, args)  # else the engine says whose it is
    if mine and run.info["status"] == "done" and not _longer(run, typed):
        print(_("{run} is finished: there is nothing left to do.").format(run=run.name))
        print(_next(door, place, args))
        return 0
    return _train(door, place, _changed(door, args, typed, place, run), args, weights)


def job_of(door: str, args: Args) -> str:
    """The job of a script; with --parity the one that computes as MiniMind does."""
    if not args["parity"]:
        return DOORS[door].job
    if door != "pretrain":
        only = f"`python trainer/{file_of('pretrain')}`"
        raise UserError(_("--parity is there for {only}: leave it out here.").format(only=only))
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
        again = f"python {quoted(place.shown(place.door))} --from_resume 1{_which(door, args, DOORS[door].named_by, own=True)}"
        if stop.args[1]:
            said = _("\nstopped and saved. To go on: {again}").format(again=again)
        else:
            said = _("\nstopped, not saved. To go on: {again}").format(again=again)
        print(said, file=sys.stderr)
        return 130
    print(_("weights: {weights}").format(weights=place.shown(weights)))
    record = f"fledge runs show {quoted(place.shown(run.path.absolute()))}"
    print(_("record: {record}").format(record=record))
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
    return _(
        "The validation loss hardly moved ({was:.3f} → {now:.3f}): a rate of {rate:g} is meant for gigabytes; "
        "with so little data train again with --learning_rate {usual:g}.\n"
    ).format(was=was, now=now, rate=rate, usual=find_job(run.info["job"]).config.rates["adamw"]["lr"])


def _not_yet(door: str) -> str:
    what, file = DOORS[door].what, file_of(door)
    ready = [file_of(name) for name, other in DOORS.items() if other.job and other.opens]
    return _(
        "{what} ({file}) has not landed yet; its arguments are MiniMind's already. What works now: {ready}."
    ).format(what=what, file=file, ready=commas(ready))


def _new(
    door: str, generation: Generation, args: Args, typed: Args, place: Place, name: str
) -> tuple[dict[str, Any], list[Path]]:
    """(the settings of a new run, the files of a tokenizer that were made for it)."""
    data = place.find(args["data_path"], "data_path" in typed)
    start = _start(door, args, typed, generation, place) | _teacher(args, typed, place)
    find_data(place, data)
    tokenizer, made = ensure_tokenizer(place, data, rows_of(DOORS[door].job), start.get("set", {}).get("vocab_size"))
    run = free_name(name)
    if args["from_resume"]:
        print(_nothing_to_resume(door, place))
    elif run != run_name(name):
        print(_("The earlier run stays; this one is called {run}.").format(run=run))
    own = {name: of_generation(value, generation) for name, value in DOORS[door].fixed.items()}
    files = {"data": [place.short(data)], "tokenizer": place.short(tokenizer), "run": run}
    return {
        **ADAMW, **own, **settings(door, args, typed), **start, **files, "seed": SEED, "val_fraction": HELD_OUT,
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
        if field not in CHANGEABLE.union(FILES) and fields[field] != begun.get(field):  # files may have moved
            raise UserError(
                _("run '{run}' was started with another --{name}: leave it out to go on.").format(
                    run=run.name, name=name
                )
            )
    layers = run.info["model"]["num_hidden_layers"]
    if typed.get("num_hidden_layers", layers) != layers:
        raise UserError(
            _("run '{run}' has {layers} layers: leave --num_hidden_layers out to go on.").format(
                run=run.name, layers=layers
            )
        )
    step = run.info["results"].get("step")
    at = _(", which stopped at step {step}").format(step=step) if step else ""
    print(_("Going on with {run}{at}.").format(run=run.name, at=at))
    return {"run": run.name, "resume": True} | changes


def _start(door: str, args: Args, typed: Args, generation: Generation, place: Place) -> dict[str, Any]:
    """What the model starts from: weights in a .pth, or new ones of MiniMind's shape."""
    if args["use_moe"]:
        raise UserError(
            _(
                "MiniMind's mixture of experts cannot be trained here: v2's has a shape that no other program loads, "
                "and v3's router learns nothing from the loss. Leave --use_moe out, "
                "or use `fledge train pretrain --preset moe-8m`."
            )
        )
    if args.get("from_weight") == "none":
        if not DOORS[door].fresh:
            return {}  # the engine says that it needs a model
        preset, shape = new_shape(generation, args["hidden_size"], args["num_hidden_layers"])
        return {"preset": preset, "set": shape}
    folders = weight_folders(place, typed)
    called = [DOORS[door].calls.get(name, (name,))[0] for name in ("from_weight", "hidden_size")]
    weight = args.get("from_weight") or ("reason" if args["reasoning"] else "full_sft")  # v2's reinforcement learning
    path = find_weights(place, folders, weight, args["hidden_size"], args["use_moe"], *called)
    from fledge.interop.minimind.pth import generation_of, read_pth

    config = read_pth(path)[0]
    if typed.get("num_hidden_layers", config.num_hidden_layers) != config.num_hidden_layers:
        has, asked = config.num_hidden_layers, args["num_hidden_layers"]
        raise UserError(
            _("{path} has {has} layers, not {asked}: leave --num_hidden_layers out.").format(
                path=place.shown(path), has=has, asked=asked
            )
        )
    if typed.get("compat", found := generation_of(config)) != found:
        raise UserError(
            _("{path} is of MiniMind {found}, not {compat}: leave --compat out.").format(
                path=place.shown(path), found=found, compat=typed["compat"]
            )
        )
    return {"model": place.short(path)}


def _teacher(args: Args, typed: Args, place: Place) -> dict[str, str]:
    """Of a script that has one: the weights to learn from."""
    if "from_teacher_weight" not in args:
        return {}
    called = "from_teacher_weight", "teacher_hidden_size"
    prefix, width, moe = args[called[0]], args[called[1]], args.get("teacher_use_moe", 0)
    return {"teacher": place.short(find_weights(place, weight_folders(place, typed), prefix, width, moe, *called))}


def new_shape(generation: Generation, hidden_size: int, num_hidden_layers: int) -> tuple[str, dict[str, int]]:
    """(preset, changes) of MiniMind's model of that width and depth."""
    from fledge.interop.minimind.pth import HEADS, minimind_config

    if hidden_size % (2 * HEADS) or hidden_size < 1:
        raise UserError(
            _("--hidden_size is {hidden_size}; MiniMind's {heads} heads need a multiple of {multiple}.").format(
                hidden_size=hidden_size, heads=HEADS, multiple=2 * HEADS
            )
        )
    shape = minimind_config(generation, hidden_size, num_hidden_layers)
    names = ("hidden_size", "intermediate_size", "head_dim", "num_hidden_layers", "vocab_size")
    return "minimind2-small" if generation == "v2" else "minimind-3", {name: getattr(shape, name) for name in names}


def _nothing_to_resume(door: str, place: Place) -> str:
    others = sorted(p.name for p in (place.root / "checkpoints").glob("*_resume.pth"))
    if not others:
        return _("There is nothing to go on with: starting afresh.")
    return _(
        "There is nothing to go on with (there are {others}: name one with --{name} and --hidden_size): starting afresh."
    ).format(others=commas(others), name=DOORS[door].named_by)


def _which(door: str, args: Args, *more: str, own: bool = False) -> str:
    """The arguments that name this model's files, where a bare command takes others; `own`: as this script calls them."""
    names = [n for n in (*more, "hidden_size", "save_dir") if args[n] != default(door, n, "v2")]
    calls = DOORS[door].calls if own else {}
    return "".join(f" --{calls.get(name, (name,))[0]} {args[name]}" for name in names)


def _next(door: str, place: Place, args: Args) -> str:
    """What to type after this script."""
    which = _which(door, args)
    if door == "pretrain":
        script = quoted(place.shown(place.folder / "train_full_sft.py"))
        command = f"python {script} --from_weight {args['save_weight']}{which}"
        return _("Next, teach it to answer: {command}").format(command=command)
    weights = f"--weight {args['from_weight']} --lora_weight {args['lora_name']}" if "lora_name" in args else ""
    command = f"python eval_llm.py {weights or '--weight ' + args['save_weight']}{which}"
    return _("Next, talk with it, in the project's root: {command}").format(command=command)
