"""MiniMind's command lines in one table: every training script, its arguments, and the defaults of both generations.

v2 is MiniMind 2.5 (2025, Llama-shaped, hidden size 512), v3 its master since 2026 (Qwen3-shaped, hidden size 768). A default
that differs between them is a pair (v2, v3); ABSENT on one side: that generation's script has no such argument.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from fledge.complaints import in_chinese
from fledge.errors import UserError, suggest
from fledge.lang import say

Generation = Literal["v2", "v3"]
GENERATIONS: tuple[Generation, Generation] = ("v2", "v3")
ABSENT = object()


@dataclass(frozen=True)
class Flag:
    """One argument. `field`: the setting of `TrainConfig` that it becomes; None: it names files, or another objective's."""

    kind: type
    zh: str
    en: str
    field: str | None = None
    choices: tuple[Any, ...] | None = None


_YES = (0, 1)
FLAGS: dict[str, Flag] = {
    # what every trainer has
    "save_dir": Flag(str, "权重目录", "folder of the weights"),
    "save_weight": Flag(str, "保存权重的前缀", "prefix of the weights' file name"),
    "epochs": Flag(int, "训练轮数", "passes over the data", "epochs"),
    "batch_size": Flag(int, "每次前向的行数", "rows per forward pass", "batch_size"),
    "learning_rate": Flag(float, "初始学习率，按余弦降到十分之一", "first rate; a cosine takes it to a tenth", "lr"),
    "device": Flag(str, "auto、cpu、cuda:0 或 mps", "auto, cpu, cuda:0 or mps", "device"),
    "dtype": Flag(
        str,
        "显卡上的精度；CPU 上自动选快的",
        "precision on a graphics card; on a CPU what is fast there",
        "precision",
        ("bfloat16", "float16", "float32"),
    ),
    "num_workers": Flag(int, "接受但不需要：数据是内存映射的", "accepted, not needed: the data are memory-mapped"),
    "accumulation_steps": Flag(int, "梯度累积步数", "forward passes per optimizer step", "accumulation_steps"),
    "grad_clip": Flag(float, "梯度范数上限", "largest gradient norm", "grad_clip"),
    "log_interval": Flag(int, "接受：每一步都会记录", "accepted: every step is recorded"),
    "save_interval": Flag(int, "每多少次前向保存一次", "forward passes between two saves", "save_every"),
    "hidden_size": Flag(int, "模型宽度", "width of the model"),
    "num_hidden_layers": Flag(int, "模型层数", "layers of the model"),
    "max_seq_len": Flag(int, "每行的词元数", "tokens per row", "seq_len"),
    "use_moe": Flag(int, "混合专家（1=是）", "mixture of experts (1 = yes)", choices=_YES),
    "data_path": Flag(str, "训练数据", "training data", "data"),
    "from_weight": Flag(str, "从哪个权重开始；none=从头", "prefix of the weights to start from; none = new ones", "model"),
    "from_resume": Flag(int, "接着上次中断的训练（1=是）", "go on with the interrupted run (1 = yes)", "resume", _YES),
    "use_wandb": Flag(bool, "同时记录到 SwanLab（没有则 wandb）", "also report to SwanLab, else to wandb", "track"),
    "wandb_project": Flag(str, "记录到哪个项目", "the project to report to", "track_project"),
    "use_compile": Flag(int, "torch.compile（1=开）", "torch.compile (1 = on)", "compile", _YES),
    # what one or a few have
    "lora_name": Flag(str, "LoRA 权重名", "name of the LoRA weights"),
    "beta": Flag(float, "KL 或 DPO 的 beta", "beta of DPO, or of the KL term"),
    "critic_learning_rate": Flag(float, "评论家学习率", "the critic's rate"),
    "max_gen_len": Flag(int, "生成长度上限", "longest answer in tokens"),
    "max_total_len": Flag(int, "整段对话的长度上限", "longest conversation in tokens"),
    "clip_epsilon": Flag(float, "PPO 裁剪", "PPO's clip range"),
    "vf_coef": Flag(float, "价值损失系数", "weight of the value loss"),
    "kl_coef": Flag(float, "KL 系数", "weight of the KL term"),
    "gamma": Flag(float, "GAE 折扣", "GAE's discount"),
    "lam": Flag(float, "GAE 的 lambda", "GAE's lambda"),
    "cliprange_value": Flag(float, "价值裁剪", "clip range of the value"),
    "ppo_update_iters": Flag(int, "每批更新次数", "updates per rollout"),
    "early_stop_kl": Flag(float, "KL 早停阈值", "KL at which an update stops"),
    "mini_batch_size": Flag(int, "每次更新的行数", "rows per update"),
    "update_old_actor_freq": Flag(int, "旧策略更新间隔", "updates between two copies of the old policy"),
    "reasoning": Flag(int, "从推理模型开始（1=是）", "start from the reasoning model (1 = yes)", choices=_YES),
    "num_generations": Flag(int, "每个问题的回答数", "answers per prompt"),
    "loss_type": Flag(str, "损失类型", "kind of loss", choices=("grpo", "cispo")),
    "epsilon": Flag(float, "裁剪下界", "lower clip range"),
    "epsilon_high": Flag(float, "裁剪上界", "upper clip range"),
    "reward_model_path": Flag(str, "奖励模型", "reward model"),
    "thinking_ratio": Flag(float, "打开思考的比例", "share of prompts that open thinking"),
    "debug_mode": Flag(bool, "打印样本", "print samples"),
    "debug_interval": Flag(int, "打印间隔", "steps between samples"),
    "debug_log_ratio": Flag(bool, "打印对数比", "print the log ratio"),
    "rollout_engine": Flag(str, "生成引擎", "engine of the rollouts", choices=("torch", "sglang")),
    "sglang_base_url": Flag(str, "SGLang 地址", "SGLang's address"),
    "sglang_model_path": Flag(str, "SGLang 分词器", "SGLang's tokenizer"),
    "sglang_shared_path": Flag(str, "SGLang 共享目录", "SGLang's shared folder"),
    "student_hidden_size": Flag(int, "学生宽度", "the student's width"),
    "student_num_layers": Flag(int, "学生层数", "the student's layers"),
    "teacher_hidden_size": Flag(int, "教师宽度", "the teacher's width"),
    "teacher_num_layers": Flag(int, "教师层数", "the teacher's layers"),
    "student_use_moe": Flag(int, "学生用混合专家", "the student is a mixture of experts", choices=_YES),
    "teacher_use_moe": Flag(int, "教师用混合专家", "the teacher is a mixture of experts", choices=_YES),
    "from_student_weight": Flag(str, "学生的起点", "the student's weights"),
    "from_teacher_weight": Flag(str, "教师的权重", "the teacher's weights"),
    "alpha": Flag(float, "交叉熵的份额", "share of the cross-entropy"),
    "temperature": Flag(float, "蒸馏温度", "temperature of the distillation"),
    # ours
    "compat": Flag(str, "哪一代 MiniMind（默认看有什么文件）", "which MiniMind (default: by what is there)", None, GENERATIONS),
    "parity": Flag(int, "1=与 MiniMind 完全相同的算法", "1 = MiniMind's exact maths", "parity", _YES),
    "max_steps": Flag(int, "最多多少步（代替 epochs）", "stop after so many optimizer steps (instead of epochs)", "steps"),
}  # fmt: skip

COMMON: dict[str, Any] = {
    "save_dir": "../out", "epochs": 1, "device": "auto", "dtype": "bfloat16", "num_workers": 8, "accumulation_steps": 1,
    "grad_clip": 1.0, "log_interval": 100, "save_interval": 1000, "hidden_size": (512, 768), "num_hidden_layers": 8,
    "use_moe": 0, "from_resume": 0, "use_wandb": False, "use_compile": 0, "compat": None, "parity": 0, "max_steps": None,
}  # fmt: skip
_ROLLOUT: dict[str, Any] = {
    "batch_size": 2, "log_interval": 1, "save_interval": 10, "max_seq_len": (66, 768), "max_gen_len": (1536, 1024),
    "data_path": ("../dataset/rlaif-mini.jsonl", "../dataset/rlaif.jsonl"), "from_weight": (ABSENT, "full_sft"),
    "reward_model_path": "../../internlm2-1_8b-reward", "debug_mode": (ABSENT, False), "debug_interval": (ABSENT, 20),
    "thinking_ratio": (ABSENT, 0.9), "rollout_engine": (ABSENT, "torch"),
    "sglang_base_url": (ABSENT, "http://localhost:8998"), "sglang_model_path": (ABSENT, "../model"),
}  # fmt: skip


@dataclass(frozen=True)
class Script:
    """One `trainer/train_*.py`. `job` is ours; None: the objective has not landed yet, and `zh`, `en` say what it is."""

    job: str | None
    zh: str
    en: str
    defaults: dict[str, Any]


SCRIPTS: dict[str, Script] = {
    "pretrain": Script("pretrain", "预训练", "pretraining", COMMON | {
        "save_weight": "pretrain", "epochs": (1, 2), "batch_size": 32, "learning_rate": 5e-4, "accumulation_steps": 8,
        "max_seq_len": 340, "data_path": ("../dataset/pretrain_hq.jsonl", "../dataset/pretrain_t2t_mini.jsonl"),
        "from_weight": "none", "wandb_project": "MiniMind-Pretrain",
    }),
    "full_sft": Script("sft", "全参数微调", "full fine-tuning", COMMON | {
        "save_weight": "full_sft", "epochs": 2, "batch_size": 16, "learning_rate": (1e-6, 1e-5), "max_seq_len": (340, 768),
        "data_path": ("../dataset/sft_mini_512.jsonl", "../dataset/sft_t2t_mini.jsonl"), "from_weight": "pretrain",
        "wandb_project": "MiniMind-Full-SFT",
    }),
    "lora": Script(None, "LoRA 微调", "LoRA fine-tuning", COMMON | {
        "save_dir": ("../out/lora", "../out"), "lora_name": ("lora_identity", "lora_medical"), "epochs": (50, 10),
        "batch_size": 32, "learning_rate": 1e-4, "log_interval": 10, "max_seq_len": 340,
        "data_path": ("../dataset/lora_identity.jsonl", "../dataset/lora_medical.jsonl"), "from_weight": "full_sft",
        "wandb_project": "MiniMind-LoRA",
    }),
    "dpo": Script(None, "DPO 偏好学习", "preference learning (DPO)", COMMON | {
        "save_weight": "dpo", "batch_size": 4, "learning_rate": 4e-8, "save_interval": 100, "max_seq_len": 1024,
        "data_path": "../dataset/dpo.jsonl", "from_weight": "full_sft", "beta": (0.1, 0.15), "wandb_project": "MiniMind-DPO",
    }),
    "reason": Script(None, "推理蒸馏", "training to reason", COMMON | {
        "save_weight": "reason", "batch_size": 8, "learning_rate": 1e-6, "save_interval": 100, "max_seq_len": 720,
        "data_path": "../dataset/r1_mix_1024.jsonl", "from_weight": "dpo", "wandb_project": "MiniMind-Reasoning",
    }),
    "ppo": Script(None, "PPO 强化学习", "reinforcement learning (PPO)", COMMON | _ROLLOUT | {
        "save_weight": "ppo_actor", "learning_rate": (8e-8, 3e-7), "critic_learning_rate": (8e-8, 5e-7), "reasoning": (1, ABSENT),
        "clip_epsilon": (0.1, 0.2), "vf_coef": 0.5, "kl_coef": 0.02, "gamma": (ABSENT, 1.0), "lam": (ABSENT, 0.95),
        "cliprange_value": (ABSENT, 0.2), "ppo_update_iters": (ABSENT, 2), "early_stop_kl": (ABSENT, 0.25),
        "mini_batch_size": (ABSENT, 2), "update_old_actor_freq": (4, ABSENT), "debug_log_ratio": (ABSENT, False),
        "sglang_shared_path": (ABSENT, "./sglang_ckpt_ppo"), "wandb_project": "MiniMind-PPO",
    }),
    "grpo": Script(None, "GRPO 强化学习", "reinforcement learning (GRPO)", COMMON | _ROLLOUT | {
        "save_weight": "grpo", "reasoning": (1, ABSENT), "learning_rate": (8e-8, 3e-7),
        "num_generations": (8, 6), "beta": (0.02, 0.1),
        "loss_type": (ABSENT, "cispo"), "epsilon": (ABSENT, 0.2), "epsilon_high": (ABSENT, 5.0),
        "sglang_shared_path": (ABSENT, "./sglang_ckpt_grpo"), "wandb_project": "MiniMind-GRPO",
    }),
    "spo": Script(None, "SPO 强化学习", "reinforcement learning (SPO)", COMMON | {
        "save_weight": "spo", "batch_size": 2, "learning_rate": 1e-7, "accumulation_steps": 4, "log_interval": 1,
        "save_interval": 10, "max_seq_len": 66, "max_gen_len": 1536, "data_path": "../dataset/rlaif-mini.jsonl",
        "beta": 0.02, "reasoning": 1, "reward_model_path": "../../internlm2-1_8b-reward", "wandb_project": "MiniMind-SPO",
    }),
    "agent": Script(None, "智能体强化学习", "reinforcement learning of an agent", COMMON | _ROLLOUT | {
        "save_weight": "agent", "learning_rate": 3e-7, "max_seq_len": 1024, "max_gen_len": 768, "max_total_len": 2500,
        "data_path": "../dataset/agent_rl.jsonl", "from_weight": "full_sft", "num_generations": 4, "beta": 0.1,
        "loss_type": "cispo", "epsilon": 0.2, "epsilon_high": 5.0, "thinking_ratio": 0.1, "wandb_project": "MiniMind-Agent-RL",
        "sglang_shared_path": (ABSENT, "./sglang_ckpt_agent"),
    }),
    "distillation": Script(None, "蒸馏", "distillation", COMMON | {
        "hidden_size": (ABSENT, ABSENT), "num_hidden_layers": (ABSENT, ABSENT),
        "save_weight": "full_dist", "epochs": 6, "batch_size": 32, "learning_rate": 5e-6, "save_interval": 100,
        "max_seq_len": 340, "data_path": ("../dataset/sft_mini_512.jsonl", "../dataset/sft_t2t_mini.jsonl"),
        "student_hidden_size": (512, 768), "student_num_layers": 8, "teacher_hidden_size": 768,
        "teacher_num_layers": (16, 8), "use_moe": (0, ABSENT), "student_use_moe": (ABSENT, 0),
        "teacher_use_moe": (ABSENT, 1), "from_student_weight": "full_sft", "from_teacher_weight": "full_sft",
        "alpha": 0.5, "temperature": 1.5, "wandb_project": "MiniMind-Distillation",
    }),
}  # fmt: skip


def default(script: str, name: str, generation: Generation) -> Any:
    """The default of an argument in one generation; ABSENT when its script has no such argument."""
    value = SCRIPTS[script].defaults.get(name, ABSENT)
    return value[GENERATIONS.index(generation)] if isinstance(value, tuple) else value


def parse(script: str, argv: Sequence[str]) -> dict[str, Any]:
    """Only the arguments that were typed. UserError, in one sentence, for what cannot be; `--help` leaves with SystemExit."""
    return parse_with(parser(script), argv)


def values(script: str, generation: Generation, typed: dict[str, Any]) -> dict[str, Any]:
    """All arguments of the script in a generation: what was typed, else the defaults."""
    known = {name: default(script, name, generation) for name in SCRIPTS[script].defaults}
    known = {name: value for name, value in known.items() if value is not ABSENT}
    for name in typed:
        if name not in known:
            raise UserError(
                say(
                    f"MiniMind {generation} 的 train_{script}.py 没有 --{name}：去掉它，或者用 --compat 选另一代。",
                    f"MiniMind {generation}'s train_{script}.py has no --{name}: leave it out, or choose the other --compat.",
                )
            )
    return known | typed


def parser(script: str) -> argparse.ArgumentParser:
    """The script's parser; a default is never filled in, because it depends on the generation."""
    what = SCRIPTS[script]
    made = Parser(
        prog=f"train_{script}.py",
        usage=f"python train_{script}.py [--argument value …]",
        description=say(f"{what.zh}，参数同 MiniMind。", f"{what.en.capitalize()} with MiniMind's arguments."),
    )
    for name in what.defaults:
        flag = FLAGS[name]
        shown = [default(script, name, generation) for generation in GENERATIONS]
        there = ["-" if value is ABSENT else value for value in shown]
        words = str(there[0]) if there[0] == there[1] else f"v2 {there[0]}, v3 {there[1]}"
        add(made, name, flag, words)
    return made


def add(made: argparse.ArgumentParser, name: str, flag: Flag, words: str) -> None:
    """Add one argument, with `words` as what its help says of the default."""
    help = f"{say(flag.zh, flag.en)} [{words}]".replace("%", "%%")
    if flag.kind is bool:
        made.add_argument(f"--{name}", action="store_true", default=argparse.SUPPRESS, help=help)
    else:
        metavar = None if flag.choices else flag.kind.__name__.upper()
        made.add_argument(
            f"--{name}", type=flag.kind, choices=flag.choices, metavar=metavar, default=argparse.SUPPRESS, help=help
        )


def parse_with(made: argparse.ArgumentParser, argv: Sequence[str]) -> dict[str, Any]:
    """`parse` for any parser of this kind."""
    typed, rest = made.parse_known_args(list(argv))
    if rest:
        known = [option for action in made._actions for option in action.option_strings]
        word = rest[0].partition("=")[0]
        near = suggest(word, known) or say("用 --help 查看所有参数。", " See --help.")
        raise UserError(
            say(f"{made.prog} 没有参数 '{word}'。{near}", f"'{word}' is not an argument of {made.prog}.{near}")
        )
    return vars(typed)


class Parser(argparse.ArgumentParser):
    """argparse, whose complaints become one sentence."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ").rstrip(".")
        raise UserError(
            say(
                f"{in_chinese(message)}。用 `python {self.prog} --help` 查看说明。",
                f"{message}. See `python {self.prog} --help`.",
            )
        )
