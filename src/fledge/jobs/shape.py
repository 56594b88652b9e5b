"""The shape of the model that a job trains, and what cannot be trained with it."""

from __future__ import annotations

from pathlib import Path

from fledge.device import pick_device
from fledge.errors import UserError, advice, flag
from fledge.lang import say
from fledge.model.config import ModelConfig
from fledge.model.presets import preset
from fledge.tokenizer import Tokenizer
from fledge.training.config import TrainConfig


def new_shape(config: TrainConfig, **vocabulary: int) -> ModelConfig:
    """The preset that is asked for, else one for this device, with its changes."""
    usual = "cpu-2m" if pick_device(config.device).type == "cpu" else "small-34m"
    changes = {**vocabulary, **getattr(config, "set", {})}
    return preset(getattr(config, "preset", None) or usual, **changes)


def refuse_shape(config: TrainConfig, shape: ModelConfig, fresh: bool) -> None:
    if config.seq_len > shape.max_position_embeddings:
        longest = shape.max_position_embeddings
        larger = ("set", say("用 {} 调大 max_position_embeddings", "raise max_position_embeddings with {}"))
        ways = advice(("", say("改短一些", "make it shorter")), *([larger] if fresh else []))
        raise UserError(
            say(
                f"{flag('seq_len', config.seq_len)} 超过了模型的上下文长度（{longest} 个词元）：{ways}。",
                f"{flag('seq_len', config.seq_len)} is longer than the model's context of {longest} tokens: {ways}.",
            )
        )
    if shape.model_type == "qwen3_moe" and shape.num_experts_per_tok == 1 and shape.norm_topk_prob:
        raise UserError(
            say(
                "路由只选一个专家、又把它的权重归一化成 1，就从损失里学不到任何东西："
                f"用 {flag('set')} 设 num_experts_per_tok=2，或 norm_topk_prob=false。",
                "a router that picks one expert and normalises its weight to 1 learns nothing from the loss: "
                f"set num_experts_per_tok=2 with {flag('set')}, or norm_topk_prob=false.",
            )
        )


def same_vocabulary(tokenizer: Tokenizer, shape: ModelConfig, base: Path | None) -> None:
    """Refuse a tokenizer with more tokens than the model has."""
    if tokenizer.vocab_size <= shape.vocab_size:
        return
    whose, mend = (
        say(f"{flag('set')} vocab_size ", f"{flag('set')} vocab_size"),
        say(f"从 {flag('set')} 里去掉 vocab_size", f"leave it out of {flag('set')}"),
    )
    if base:
        whose = say(f"{base} 里的模型", f"the model in {base}")
        mend = say(f"去掉 {flag('tokenizer')}，就用模型自带的", f"leave {flag('tokenizer')} out to use the model's own")
    raise UserError(
        say(
            f"分词器有 {tokenizer.vocab_size} 个词元，{whose}只有 {shape.vocab_size} 个：它们不是一套；{mend}。",
            f"the tokenizer has {tokenizer.vocab_size} tokens but {whose} only {shape.vocab_size}: "
            f"they do not belong together; {mend}.",
        )
    )
