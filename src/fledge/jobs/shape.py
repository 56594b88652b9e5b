"""The shape of the model that a job trains, and what cannot be trained with it."""

from __future__ import annotations

from pathlib import Path

from fledge.device import pick_device
from fledge.errors import UserError, advice, flag
from fledge.lang import _
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
        larger = ("set", _("raise max_position_embeddings with {}"))
        ways = advice(("", _("make it shorter")), *([larger] if fresh else []))
        raise UserError(
            _("{flag} is longer than the model's context of {longest} tokens: {ways}.").format(
                flag=flag("seq_len", config.seq_len), longest=longest, ways=ways
            )
        )
    if shape.model_type == "qwen3_moe" and shape.num_experts_per_tok == 1 and shape.norm_topk_prob:
        raise UserError(
            _(
                "a router that picks one expert and normalises its weight to 1 learns nothing from the loss: "
                "set num_experts_per_tok=2 with {flag}, or norm_topk_prob=false."
            ).format(flag=flag("set"))
        )


def same_vocabulary(tokenizer: Tokenizer, shape: ModelConfig, base: Path | None) -> None:
    """Refuse a tokenizer with more tokens than the model has."""
    if tokenizer.vocab_size <= shape.vocab_size:
        return
    whose, mend = (
        _("{flag} vocab_size").format(flag=flag("set")),
        _("leave it out of {flag}").format(flag=flag("set")),
    )
    if base:
        whose = _("the model in {base}").format(base=base)
        mend = _("leave {flag} out to use the model's own").format(flag=flag("tokenizer"))
    raise UserError(
        _(
            "the tokenizer has {vocab_size} tokens but {whose} only {shape_vocab_size}: they do not belong together; {mend}."
        ).format(vocab_size=tokenizer.vocab_size, whose=whose, shape_vocab_size=shape.vocab_size, mend=mend)
    )
