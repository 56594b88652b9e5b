"""Named shapes. Widths of ours are multiples of 256, which llama.cpp's K-quants need; MiniMind's are its own.

Sizes in the names are for the vocabulary given beside them; `num_parameters()` is the exact count for yours. The cpu-*
names count what computes (blocks and head) and leave out the embedding, which is a table to look things up in: with an
untied head it costs memory and no time, and a small model learns faster (bench/README.md, docs/LOG.md).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from fledge.errors import UserError, suggest
from fledge.lang import _, commas
from fledge.model.config import ModelConfig

_MINIMIND_3 = {
    "vocab_size": 6400,
    "hidden_size": 768,
    "intermediate_size": 2432,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 96,
    "max_position_embeddings": 32768,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_MINIMIND_2 = {
    **_MINIMIND_3,
    "model_type": "llama",
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
}


def _shape(vocab: int, hidden: int, inter: int, layers: int, heads: int, kv: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": inter,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "head_dim": 64,
        **more,
    }


PRESETS: dict[str, dict[str, Any]] = {
    "cpu-2m": _shape(2048, 256, 512, 3, 4, 2, tie_word_embeddings=False),
    "cpu-4m": _shape(512, 256, 768, 5, 4, 2, tie_word_embeddings=False),
    "cpu-6m": _shape(4096, 256, 768, 6, 4, 2, tie_word_embeddings=False),
    "small-34m": _shape(8192, 512, 1536, 8, 8, 4, max_position_embeddings=4096, tie_word_embeddings=False),
    "base-88m": _shape(16384, 768, 2048, 12, 12, 4, max_position_embeddings=4096),
    "large-285m": _shape(32768, 1024, 3072, 20, 16, 8, max_position_embeddings=8192),
    "moe-8m": _shape(
        4096, 256, 768, 4, 4, 2, model_type="qwen3_moe", num_experts=8, num_experts_per_tok=2, moe_intermediate_size=256
    ),
    "moe-111m": _shape(
        8192,
        512,
        1536,
        8,
        8,
        4,
        model_type="qwen3_moe",
        num_experts=8,
        num_experts_per_tok=2,
        moe_intermediate_size=1024,
    ),
    "minimind-3": _MINIMIND_3,
    "minimind-3-moe": {
        **_MINIMIND_3,
        "model_type": "qwen3_moe",
        "num_experts": 4,
        "num_experts_per_tok": 1,  # as published: its router learns only from the balance loss, so we load it but do not train it
        "moe_intermediate_size": 2432,
        "router_aux_loss_coef": 5e-4,
    },
    "minimind2-small": {**_MINIMIND_2, "hidden_size": 512, "intermediate_size": 1408, "head_dim": 64},
    "minimind2": {**_MINIMIND_2, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 16},
}


def preset(name: str, **changes: Any) -> ModelConfig:
    """Return the named shape with `changes` (HF field names), e.g. `preset("cpu-2m", vocab_size=1536)`."""
    if name not in PRESETS:
        near = suggest(name, PRESETS)
        raise UserError(
            _("There is no preset '{name}'; the presets are {presets}.{near}").format(
                name=name, presets=commas(PRESETS), near=near
            )
        )
    known = [f.name for f in dataclasses.fields(ModelConfig)]
    for key in changes:
        if key not in known:
            near = suggest(key, known)
            raise UserError(_("A model config has no field '{key}'.{near}").format(key=key, near=near))
    return ModelConfig(**{**PRESETS[name], **changes})
