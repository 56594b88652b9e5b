"""Tiny runs of every training stage that can be started in another process, killed and resumed."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from fledge.course.mine import load_mine
from fledge.jobs.job import Material
from fledge.jobs.runner import run_job
from fledge.jobs.settings import job_config
from fledge.records import Run
from fledge.tokenizer import Tokenizer

TEXTS = [f"the {a} cat sat on the {b} mat. 猫坐在{b}垫子上。" for a in ("red", "blue", "old") for b in ("big", "small")]
CHATS = [
    {
        "conversations": [
            {"role": "user", "content": f"where is cat {n}?"},
            {"role": "assistant", "content": f"it sat on mat {n}."},
        ]
    }
    for n in range(40)
]
PAIRS = [
    {
        "prompt": f"where is cat {n}?",
        "chosen": f"it sat on mat {n}.",
        "rejected": "no idea" + " at all" * (n % 3) + ".",
    }
    for n in range(40)
]
TASKS = [{"conversations": [{"role": "user", "content": f"where is cat {n}?"}], "gt": ["mat"]} for n in range(20)]
ONLINE = {"model": "base", "max_new_tokens": 12, "batch_size": 3, "rewards": ["length=4", "repetition:0.3"], "reuse": 2}
ROWS = {
    **dict.fromkeys(("sft", "lora", "qlora", "distill"), CHATS),
    **dict.fromkeys(("dpo", "reward"), PAIRS),
    **dict.fromkeys(("grpo", "spo", "ppo", "gkd"), TASKS),
}
SHAPE = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 32}
MOE = {**SHAPE, "model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
STAGES = {
    "pretrain": ("pretrain", {"set": SHAPE}),
    "pretrain in fp16": ("pretrain", {"set": SHAPE, "precision": "fp16"}),
    "pretrain a mixture of experts": ("pretrain", {"set": MOE}),
    "pretrain with MiniMind's maths": ("minimind_pretrain", {"set": SHAPE, "lr": 1e-3}),
    "sft": ("sft", {"model": "base"}),
    "lora": ("lora", {"model": "base", "rank": 4, "dropout": 0.1}),
    "qlora": ("qlora", {"model": "base", "rank": 4, "dora": True}),
    "sft with replay": ("sft", {"model": "base", "replay_share": 0.4}),
    "dpo": ("dpo", {"model": "base", "seq_len": 128}),
    "kto": ("dpo", {"model": "base", "loss": "kto"}),
    "reward": ("reward", {"model": "base", "seq_len": 128}),
    "distill": ("distill", {"teacher": "base", "set": SHAPE | {"hidden_size": 32}}),
    "grpo": ("grpo", ONLINE | {"group_size": 4, "rollout_steps": 2}),
    "spo": ("spo", ONLINE),
    "ppo": ("ppo", ONLINE),
    "gkd": ("gkd", {"model": "base", "teacher": "base", "max_new_tokens": 12, "batch_size": 3, "reuse": 2}),
}


def settle(root: Path) -> None:
    """One thread (so that sums have one order), and all files below `root`."""
    os.environ["FLEDGE_RUNS"], os.environ["FLEDGE_CACHE"] = str(root / "runs"), str(root / "cache")
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


def prepare(root: Path) -> None:
    """The tokenizer, and a model to fine-tune."""
    settle(root)
    Tokenizer.train(TEXTS * 4, 300).save(root / "tokenizer")
    run_stage(root, "pretrain", "base", steps=20)


def run_stage(root: Path, stage: str, name: str, *, steps: int, resume: bool = False, **changes) -> Run:
    """Start a stage, or go on with it: the same call apart from `resume`."""
    settle(root)
    job, settings = STAGES[stage]
    settings = {"seq_len": 48, "batch_size": 4, "precision": "fp32", "save_every": 3, **settings}
    if "model" not in settings:
        settings["tokenizer"] = str(root / "tokenizer")
    replay = TEXTS if "replay_share" in settings else None
    rows = ROWS.get(job, TEXTS * 10)
    config = job_config(job, run=name, steps=steps, resume=resume, **{**settings, **changes})
    parts = load_mine(config.parts, fallback=config.parts_fallback)
    return run_job(job, config, Material(rows, rows[:4], replay), parts=parts)
