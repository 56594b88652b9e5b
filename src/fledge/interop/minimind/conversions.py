"""Where an argument of MiniMind's and a setting of ours are not the same thing: (all arguments, those typed) -> the setting."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from fledge.lang import _

PRECISIONS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
Args = Mapping[str, Any]


def epochs(args: Args, typed: Args) -> int | None:
    """--max_steps is a length of its own."""
    return args["epochs"] if args["max_steps"] is None else None


def save_every(args: Args, typed: Args) -> int:
    """MiniMind counts forward passes, we count optimizer steps."""
    interval = args["save_interval"]
    return interval if interval < 1 else max(1, round(interval / max(1, args["accumulation_steps"])))


def compiled(args: Args, typed: Args) -> str:
    """Unless it was typed, torch.compile is used where it pays."""
    return "on" if args["use_compile"] else "off" if "use_compile" in typed or args["parity"] else "auto"


def prompt_and_answer(args: Args, typed: Args) -> int:
    """--max_seq_len is of the prompt alone; our rows hold the answer too."""
    return int(args["max_seq_len"] + args["max_gen_len"])


def prompts(args: Args, typed: Args) -> int:
    """PPO answers --batch_size prompts at once, and learns from --mini_batch_size of them in a step."""
    return int(min(args["batch_size"], args.get("mini_batch_size", args["batch_size"])))


def rollout_steps(args: Args, typed: Args) -> int:
    """Steps in which the prompts of one rollout are learned from."""
    return max(1, round(args["batch_size"] / max(1, args["mini_batch_size"])))


def value_rate(args: Args, typed: Args) -> float | None:
    """MiniMind's rate is for a whole critic that was a language model; our head begins at 0 and needs its own."""
    return typed.get("critic_learning_rate")


def clip_high(args: Args, typed: Args) -> float | None:
    """--epsilon_high is the largest weight of cispo; the clip of grpo is the same on both sides."""
    return args["epsilon_high"] if args["loss_type"] == "cispo" else None


def track(args: Args, typed: Args) -> str | None:
    """MiniMind logs to SwanLab under the name of wandb; whichever is installed is used."""
    if not args["use_wandb"]:
        return None
    return "swanlab" if importlib.util.find_spec("swanlab") or not importlib.util.find_spec("wandb") else "wandb"


def precision(args: Args, typed: Args) -> str:
    """--dtype is meant for a CUDA card; MiniMind too ignores it elsewhere."""
    from fledge.device import pick_device

    if pick_device(args["device"]).type == "cuda":
        return PRECISIONS[args["dtype"]]
    if args["parity"] or typed.get("dtype") == "float32":
        return "fp32"
    if "dtype" in typed:
        print(
            _(
                "--dtype {dtype} is for NVIDIA cards; there is none in use here, so the fastest precision is taken."
            ).format(dtype=typed["dtype"])
        )
    return "auto"
