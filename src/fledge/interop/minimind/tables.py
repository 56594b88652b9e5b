"""MiniMind's command lines in one file: every script, its arguments, the defaults of both generations, and what they are here.

A `Door` is a script: the job that it trains and the defaults of its arguments. An `Argument` says which setting of the job it
becomes, and how; one whose name is that of a setting needs no word. So a new door is an entry of DOORS, and it opens as soon
as its job is there.

v2 is MiniMind 2.5 (2025, Llama-shaped, hidden size 512), v3 its master since 2026 (Qwen3-shaped, hidden size 768). A default
that differs between them is a pair (v2, v3); ABSENT on one side: that generation's script has no such argument.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fledge.interop.minimind import conversions as become
from fledge.lang import N_, Text

if TYPE_CHECKING:
    from fledge.data.rows import Kind

Generation = Literal["v2", "v3"]
GENERATIONS: tuple[Generation, Generation] = ("v2", "v3")
ABSENT = object()
BY_DOOR = {
    "data",
    "model",
    "preset",
    "resume",
    "run",
    "teacher",
}  # settings that name files, runs and shapes: train.py works them out


@dataclass(frozen=True)
class Argument:
    """One argument of a script."""

    kind: type
    help: Text
    setting: str = ""
    """the setting of the job that it becomes, or that it decides on; "": the one of its own name, if the job has one"""
    becomes: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None = None
    """(all arguments, those typed) -> the setting's value; None: the argument's own, translated by `values`"""
    values: Mapping[Any, Any] = field(default_factory=dict)
    """its values -> the setting's"""
    choices: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Door:
    """One script."""

    job: str
    """the job that it trains; "": it trains no model"""
    what: Text
    defaults: dict[str, Any]
    own: dict[str, Argument] = field(default_factory=dict)
    """arguments that mean something else than in ARGUMENTS, or are nowhere else"""
    fixed: dict[str, Any] = field(default_factory=dict)
    """settings of the job where they are not its defaults and no argument says otherwise; a tuple has one for each generation"""
    calls: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """what other scripts call so -> what this one calls it, the first that it has"""

    def argument(self, name: str) -> Argument:
        return self.own.get(name) or ARGUMENTS[name]

    def setting(self, name: str) -> str:
        """The setting of the job that an argument is for; "" for none."""
        setting = self.argument(name).setting or name
        return setting if setting in settings_of(self.job) else ""

    @property
    def named_by(self) -> str:
        """The argument that names the file of its weights."""
        return "lora_name" if "lora_name" in self.defaults else "save_weight"

    @property
    def fresh(self) -> bool:
        """Whether it may begin with new weights."""
        from fledge.jobs import find_job

        return find_job(self.job).fresh

    @property
    def opens(self) -> bool:
        """Whether what it does is there."""
        return not self.job or bool(settings_of(self.job))


def settings_of(job: str) -> frozenset[str]:
    """The names of a job's settings; none when there is no such job yet."""
    from fledge.jobs import JOBS, find_job

    return frozenset(field.name for field in dataclasses.fields(find_job(job).config)) if job in JOBS else frozenset()


def rows_of(job: str) -> Kind:
    """The kind of rows that a job reads."""
    from fledge.jobs import find_job

    return find_job(job).rows


_YES = (0, 1)
_TRUTH = {0: False, 1: True}
ARGUMENTS: dict[str, Argument] = {
    # what every trainer has
    "save_dir": Argument(str, N_("folder of the weights")),
    "save_weight": Argument(str, N_("prefix of the weights' file name"), "run"),
    "epochs": Argument(int, N_("passes over the data"), becomes=become.epochs),
    "batch_size": Argument(int, N_("rows per forward pass")),
    "learning_rate": Argument(float, N_("first rate; a cosine takes it to a tenth"), "lr"),
    "device": Argument(str, N_("auto, cpu, cuda:0 or mps")),
    "dtype": Argument(
        str, N_("precision on a graphics card; on a CPU what is fast there"),
        "precision", become.precision, become.PRECISIONS, tuple(become.PRECISIONS)
    ),
    "num_workers": Argument(int, N_("accepted, not needed: the data are memory-mapped")),
    "accumulation_steps": Argument(int, N_("forward passes per optimizer step")),
    "grad_clip": Argument(float, N_("largest gradient norm")),
    "log_interval": Argument(int, N_("accepted: every step is recorded")),
    "save_interval": Argument(int, N_("forward passes between saves"), "save_every", become.save_every),
    "hidden_size": Argument(int, N_("width of the model"), "preset"),
    "num_hidden_layers": Argument(int, N_("layers of the model")),
    "max_seq_len": Argument(int, N_("tokens per row"), "seq_len"),
    "use_moe": Argument(int, N_("mixture of experts (1 = yes)"), choices=_YES),
    "data_path": Argument(str, N_("training data"), "data"),
    "from_weight": Argument(str, N_("prefix of the weights to start from; none = new"), "model"),
    "from_resume": Argument(
        int, N_("go on with the interrupted run (1 = yes)"), "resume", None, _TRUTH, _YES
    ),
    "use_wandb": Argument(
        bool, N_("also report to SwanLab, else to wandb"), "track", become.track
    ),
    "wandb_project": Argument(str, N_("the project to report to"), "track_project"),
    "use_compile": Argument(
        int, N_("torch.compile (1 = on)"), "compile", become.compiled, {0: "off", 1: "on"}, _YES
    ),
    # what one or a few have
    "lora_name": Argument(str, N_("name of the LoRA weights"), "run"),
    "beta": Argument(float, N_("beta of DPO, or of the KL term")),
    "critic_learning_rate": Argument(
        float, N_("the rate of the critic's head; without it one that suits a new head"), "value_lr", become.value_rate
    ),
    "max_gen_len": Argument(int, N_("longest answer in tokens"), "max_new_tokens"),
    "max_total_len": Argument(int, N_("longest conversation in tokens"), "seq_len"),
    "clip_epsilon": Argument(float, N_("PPO's clip range"), "clip"),
    "vf_coef": Argument(float, N_("weight of the value loss"), "value_weight"),
    "kl_coef": Argument(float, N_("weight of the KL term"), "beta"),
    "gamma": Argument(float, N_("GAE's discount")),
    "lam": Argument(float, N_("GAE's lambda")),
    "cliprange_value": Argument(float, N_("clip range of the value"), "value_clip"),
    "ppo_update_iters": Argument(int, N_("updates per rollout"), "reuse"),
    "early_stop_kl": Argument(float, N_("accepted, not used: the KL term and the clip hold the policy")),
    "mini_batch_size": Argument(int, N_("prompts per update"), "rollout_steps", become.rollout_steps),
    "update_old_actor_freq": Argument(int, N_("accepted, not used: the old policy is the one that wrote the answers")),
    "reasoning": Argument(int, N_("start from the reasoning model (1 = yes)"), choices=_YES),
    "num_generations": Argument(int, N_("answers per prompt"), "group_size"),
    "loss_type": Argument(str, N_("kind of loss"), "loss", choices=("grpo", "cispo")),
    "epsilon": Argument(float, N_("lower clip range"), "clip"),
    "epsilon_high": Argument(float, N_("largest weight of cispo"), "clip_high", become.clip_high),
    "reward_model_path": Argument(str, N_("accepted, not used: rules judge the answers")),
    "thinking_ratio": Argument(float, N_("accepted, not used: the prompts decide")),
    "debug_mode": Argument(bool, N_("accepted: every validation shows an answer")),
    "debug_interval": Argument(int, N_("accepted: every validation shows an answer")),
    "debug_log_ratio": Argument(bool, N_("accepted: KL and clipped share are recorded")),
    "rollout_engine": Argument(
        str, N_("accepted: our generator writes, on the live weights"), choices=("torch", "sglang")
    ),
    "sglang_base_url": Argument(str, N_("accepted, not used: our generator writes")),
    "sglang_model_path": Argument(str, N_("accepted, not used: our generator writes")),
    "sglang_shared_path": Argument(str, N_("accepted, not used: our generator writes")),
    "student_hidden_size": Argument(int, N_("the student's width"), "preset"),
    "student_num_layers": Argument(int, N_("the student's layers")),
    "teacher_hidden_size": Argument(int, N_("the teacher's width")),
    "teacher_num_layers": Argument(int, N_("the teacher's layers")),
    "student_use_moe": Argument(int, N_("the student is a mixture of experts"), choices=_YES),
    "teacher_use_moe": Argument(int, N_("the teacher is a mixture of experts"), choices=_YES),
    "from_student_weight": Argument(str, N_("the student's weights"), "model"),
    "from_teacher_weight": Argument(str, N_("the teacher's weights"), "teacher"),
    "alpha": Argument(float, N_("share of the cross-entropy")),
    "temperature": Argument(float, N_("temperature of the distillation")),
    # ours
    "compat": Argument(
        str, N_("which MiniMind (default: by what is there)"), choices=GENERATIONS
    ),
    "parity": Argument(int, N_("1 = MiniMind's exact maths"), values=_TRUTH, choices=_YES),
    "max_steps": Argument(int, N_("stop after so many optimizer steps, not epochs"), "steps"),
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
_PROMPT = Argument(int, N_("longest prompt in tokens"), "seq_len", become.prompt_and_answer)
# What MiniMind's rules ask for: an end, a length, nothing said twice. Its prompts have no answers to check.
_RULES = ["format:1", "length=256:0.5", "repetition:0.5"]

DOORS: dict[str, Door] = {
    "pretrain": Door("pretrain", N_("pretraining"), COMMON | {
        "save_weight": "pretrain", "epochs": (1, 2), "batch_size": 32, "learning_rate": 5e-4, "accumulation_steps": 8,
        "max_seq_len": 340, "data_path": ("../dataset/pretrain_hq.jsonl", "../dataset/pretrain_t2t_mini.jsonl"),
        "from_weight": "none", "wandb_project": "MiniMind-Pretrain",
    }),
    "full_sft": Door("sft", N_("full fine-tuning"), COMMON | {
        "save_weight": "full_sft", "epochs": 2, "batch_size": 16, "learning_rate": (1e-6, 1e-5), "max_seq_len": (340, 768),
        "data_path": ("../dataset/sft_mini_512.jsonl", "../dataset/sft_t2t_mini.jsonl"), "from_weight": "pretrain",
        "wandb_project": "MiniMind-Full-SFT",
    }),
    "lora": Door("lora", N_("LoRA fine-tuning"), COMMON | {
        "save_dir": ("../out/lora", "../out"), "lora_name": ("lora_identity", "lora_medical"), "epochs": (50, 10),
        "batch_size": 32, "learning_rate": 1e-4, "log_interval": 10, "max_seq_len": 340,
        "data_path": ("../dataset/lora_identity.jsonl", "../dataset/lora_medical.jsonl"), "from_weight": "full_sft",
        "wandb_project": "MiniMind-LoRA",
    }, fixed={"rank": (8, 16), "alpha": (8.0, 16.0), "targets": ["q_proj", "o_proj"]}),  # its files: see lora.py
    "dpo": Door("dpo", N_("preference learning (DPO)"), COMMON | {
        "save_weight": "dpo", "batch_size": 4, "learning_rate": 4e-8, "save_interval": 100, "max_seq_len": 1024,
        "data_path": "../dataset/dpo.jsonl", "from_weight": "full_sft", "beta": (0.1, 0.15), "wandb_project": "MiniMind-DPO",
    }, {
        "max_seq_len": Argument(
            int, N_("tokens per answer; a row has twice as many, for a pair"), "seq_len", become.pair_row),
    }),
    "reason": Door("reason", N_("training to reason"), COMMON | {
        "save_weight": "reason", "batch_size": 8, "learning_rate": 1e-6, "save_interval": 100, "max_seq_len": 720,
        "data_path": "../dataset/r1_mix_1024.jsonl", "from_weight": "dpo", "wandb_project": "MiniMind-Reasoning",
    }),
    "ppo": Door("ppo", N_("reinforcement learning (PPO)"), COMMON | _ROLLOUT | {
        "save_weight": "ppo_actor", "learning_rate": (8e-8, 3e-7), "critic_learning_rate": (8e-8, 5e-7), "reasoning": (1, ABSENT),
        "clip_epsilon": (0.1, 0.2), "vf_coef": 0.5, "kl_coef": 0.02, "gamma": (ABSENT, 1.0), "lam": (ABSENT, 0.95),
        "cliprange_value": (ABSENT, 0.2), "ppo_update_iters": (ABSENT, 2), "early_stop_kl": (ABSENT, 0.25),
        "mini_batch_size": (ABSENT, 2), "update_old_actor_freq": (4, ABSENT), "debug_log_ratio": (ABSENT, False),
        "sglang_shared_path": (ABSENT, "./sglang_ckpt_ppo"), "wandb_project": "MiniMind-PPO",
    }, {
        "max_seq_len": _PROMPT, "batch_size": Argument(int, N_("prompts per rollout"), becomes=become.prompts),
    }, {"rewards": _RULES, "group_size": 1}),
    "grpo": Door("grpo", N_("reinforcement learning (GRPO)"), COMMON | _ROLLOUT | {
        "save_weight": "grpo", "reasoning": (1, ABSENT), "learning_rate": (8e-8, 3e-7),
        "num_generations": (8, 6), "beta": (0.02, 0.1),
        "loss_type": (ABSENT, "cispo"), "epsilon": (ABSENT, 0.2), "epsilon_high": (ABSENT, 5.0),
        "sglang_shared_path": (ABSENT, "./sglang_ckpt_grpo"), "wandb_project": "MiniMind-GRPO",
    }, {"max_seq_len": _PROMPT}, {"rewards": _RULES, "loss": "grpo"}),
    "spo": Door("spo", N_("reinforcement learning (SPO)"), COMMON | {
        "save_weight": "spo", "batch_size": 2, "learning_rate": 1e-7, "accumulation_steps": 4, "log_interval": 1,
        "save_interval": 10, "max_seq_len": 66, "max_gen_len": 1536, "data_path": "../dataset/rlaif-mini.jsonl",
        "beta": 0.02, "reasoning": 1, "reward_model_path": "../../internlm2-1_8b-reward", "wandb_project": "MiniMind-SPO",
    }, {"max_seq_len": _PROMPT}, {"rewards": _RULES}),
    "agent": Door("grpo", N_("reinforcement learning of an agent"), COMMON | _ROLLOUT | {
        "save_weight": "agent", "learning_rate": 3e-7, "max_seq_len": 1024, "max_gen_len": 768, "max_total_len": 2500,
        "data_path": "../dataset/agent_rl.jsonl", "from_weight": "full_sft", "num_generations": 4, "beta": 0.1,
        "loss_type": "cispo", "epsilon": 0.2, "epsilon_high": 5.0, "thinking_ratio": 0.1, "wandb_project": "MiniMind-Agent-RL",
        "sglang_shared_path": (ABSENT, "./sglang_ckpt_agent"),
    }, {
        "max_seq_len": Argument(int, N_("accepted: --max_total_len is the limit")),
    }, {"rewards": ["verifier:1", "format:0.2"], "tools": "small", "max_turns": 3}),
    "distillation": Door("distill", N_("distillation"), {
        name: value for name, value in COMMON.items() if name not in ("hidden_size", "num_hidden_layers", "use_moe")
    } | {
        "save_weight": "full_dist", "epochs": 6, "batch_size": 32, "learning_rate": 5e-6, "save_interval": 100,
        "max_seq_len": 340, "data_path": ("../dataset/sft_mini_512.jsonl", "../dataset/sft_t2t_mini.jsonl"),
        "student_hidden_size": (512, 768), "student_num_layers": 8, "teacher_hidden_size": 768,
        "teacher_num_layers": (16, 8), "use_moe": (0, ABSENT), "student_use_moe": (ABSENT, 0),
        "teacher_use_moe": (ABSENT, 1), "from_student_weight": "full_sft", "from_teacher_weight": "full_sft",
        "alpha": 0.5, "temperature": 1.5, "wandb_project": "MiniMind-Distillation",
    }, calls={
        "hidden_size": ("student_hidden_size",), "num_hidden_layers": ("student_num_layers",),
        "use_moe": ("student_use_moe", "use_moe"), "from_weight": ("from_student_weight",),
    }),
    "tokenizer": Door("", N_("training a tokenizer"), {
        "data_path": "../dataset/pretrain_hq.jsonl", "tokenizer_dir": "../model_learn_tokenizer", "vocab_size": 6400,
    }, {
        "tokenizer_dir": Argument(str, N_("where to write it")),
        "vocab_size": Argument(int, N_("size of the vocabulary")),
    }),
    "convert_model": Door("", N_("a .pth as a model folder and back"), {}),  # words: convert.py
    "eval_llm": Door("", N_("a look at what a trained model says"), {
        "load_from": "model", "save_dir": "out", "weight": "full_sft", "lora_weight": "None", "hidden_size": (512, 768),
        "num_hidden_layers": None, "use_moe": 0, "inference_rope_scaling": False, "max_new_tokens": 8192,
        "temperature": 0.85, "top_p": (0.85, 0.95), "open_thinking": 0, "historys": 0, "show_speed": 1, "device": "auto",
        "compat": None,
    }, {
        "load_from": Argument(
            str, N_("model = a .pth of --save_dir; else a model folder"), "model"),
        "weight": Argument(str, N_("prefix of the weights; pretrain only continues text")),
        "lora_weight": Argument(str, N_("name of LoRA weights")),
        "num_hidden_layers": Argument(
            int, N_("its layers (the file knows; only checked)")),
        "inference_rope_scaling": Argument(bool, N_("stretch the context with YaRN")),
        "max_new_tokens": Argument(int, N_("longest answer in tokens")),
        "temperature": Argument(
            float, N_("temperature; 0 takes the most probable token")),
        "top_p": Argument(float, N_("nucleus sampling")),
        "open_thinking": Argument(int, N_("think before answering (1 = yes)"), choices=_YES),
        "historys": Argument(int, N_("earlier messages to keep (an even number)")),
        "show_speed": Argument(int, N_("show tokens/s (1 = yes)"), choices=_YES),
        "device": Argument(str, N_("auto, cpu, cuda or mps")),
        "compat": Argument(str, N_("whose defaults"), choices=GENERATIONS),
    }),
}  # fmt: skip


def default(door: str, name: str, generation: Generation) -> Any:
    """The default of an argument in one generation, also by the name that other scripts give it; ABSENT when there is none."""
    what = DOORS[door]
    called = name if name in what.defaults else what.calls.get(name, (name,))[0]
    return of_generation(what.defaults.get(called, ABSENT), generation)


def of_generation(value: Any, generation: Generation) -> Any:
    """What a table says for one generation."""
    return value[GENERATIONS.index(generation)] if isinstance(value, tuple) else value


def common(door: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, and those that other scripts call by another name under that one too."""
    known = {
        name: args[called] for name, calls in DOORS[door].calls.items() for called in reversed(calls) if called in args
    }
    return {**args, **known}


def file_of(door: str) -> str:
    """The name of a door's script."""
    return f"{door}.py" if door in ("convert_model", "eval_llm") else f"train_{door}.py"
