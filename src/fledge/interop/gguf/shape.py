"""What a GGUF's facts and tensors mean in Hugging Face's words: the shape of the model, and which tensor is which."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from fledge.errors import UserError
from fledge.interop.gguf.file import GgufFile, damaged
from fledge.lang import _, commas
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_frequencies
from fledge.model.transformer import Transformer

ARCHITECTURES = ("llama", "qwen2", "qwen3")  # llama.cpp's names; Mistral's models are "llama" there
LAYER = {  # in `model.layers.N.` -> in `blk.N.`
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
EMBEDDING, HEAD, FACTORS = "token_embd.weight", "output.weight", "rope_freqs.weight"
LLAMA3 = {  # Meta used no others; a GGUF has only the factors that come out
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def model_config(file: GgufFile) -> ModelConfig:
    """The shape; UserError for an architecture that Fledge has not, or a fact that is missing."""
    facts, tensors = file.facts, file.tensors
    arch = _architecture(file)
    hidden, heads = _fact(file, "embedding_length"), _fact(file, "attention.head_count")
    head_dim = _fact(file, "attention.key_length", usual=hidden // max(heads, 1))
    if any(
        _fact(file, name, usual=head_dim) != head_dim for name in ("rope.dimension_count", "attention.value_length")
    ):
        raise UserError(
            _("{path}: heads that RoPE turns in part, or with values of another size, are not supported.").format(
                path=file.path
            )
        )
    num_layers = _fact(file, "block_count")
    for name in (EMBEDDING, f"blk.{num_layers - 1}.attn_norm.weight"):  # the last layer: a wild number builds no model
        if name not in tensors:
            raise _missing(file, name)
    try:
        config = ModelConfig(
            model_type=arch,
            vocab_size=tensors[EMBEDDING].shape[0],
            hidden_size=hidden,
            intermediate_size=_fact(file, "feed_forward_length"),
            num_hidden_layers=num_layers,
            num_attention_heads=heads,
            num_key_value_heads=_fact(file, "attention.head_count_kv", usual=heads),
            head_dim=head_dim,
            max_position_embeddings=_fact(file, "context_length"),
            rms_norm_eps=_short(_fact(file, "attention.layer_norm_rms_epsilon", float)),
            rope_theta=_short(_fact(file, "rope.freq_base", float, 10000.0)),
            tie_word_embeddings=HEAD not in tensors,
            attention_bias=arch == "llama" and "blk.0.attn_q.bias" in tensors,
            mlp_bias=arch == "llama" and "blk.0.ffn_gate.bias" in tensors,
            bos_token_id=facts.get("tokenizer.ggml.bos_token_id"),
            eos_token_id=facts.get("tokenizer.ggml.eos_token_id"),
            pad_token_id=facts.get("tokenizer.ggml.padding_token_id"),
        )
    except UserError as error:
        raise UserError(_("{path}: {error}").format(path=file.path, error=error)) from None
    config.rope_scaling = _scaling(file, config, arch)
    return config


def tensor_names(file: GgufFile, config: ModelConfig) -> dict[str, str]:
    """Hugging Face's name of every tensor of the model -> the GGUF's; UserError when one is missing, left over or misshapen."""
    with torch.device("meta"):
        expected = Transformer(config).state_dict()
    if config.tie_word_embeddings:
        del expected["lm_head.weight"]
    names = {}
    for name, slot in expected.items():
        theirs = names[name] = _theirs(name)
        if theirs not in file.tensors:
            raise _missing(file, theirs)
        shape = file.tensors[theirs].shape
        if shape != tuple(slot.shape):
            raise damaged(
                file.path,
                _("tensor '{name}' has shape {shape}, and should have {expected}").format(
                    name=theirs, shape=list(shape), expected=list(slot.shape)
                ),
            )
    if left := sorted(set(file.tensors) - set(names.values()) - {FACTORS}):
        raise UserError(
            _("{path}: tensor '{name}' has no place in a {kind} model of Fledge.").format(
                path=file.path, name=left[0], kind=config.model_type
            )
        )
    return names


def _architecture(file: GgufFile) -> str:
    """llama.cpp's name of the architecture; UserError for one that is not among ours."""
    path, facts = file.path, file.facts
    arch, pieces = facts.get("general.architecture"), facts.get("split.count", 1)
    if arch not in ARCHITECTURES:
        raise UserError(
            _("{path} holds a model of architecture '{arch}'; {known} can be imported.").format(
                path=path, arch=arch, known=commas(ARCHITECTURES)
            )
        )
    if pieces != 1:
        raise UserError(
            _("{path} is one of {count} pieces: join them first (llama-gguf-split --merge).").format(
                path=path, count=pieces
            )
        )
    if facts.get(f"{arch}.expert_count"):
        raise UserError(_("{path} is a mixture of experts; dense models can be imported.").format(path=path))
    return str(arch)


def _fact(file: GgufFile, name: str, kind: type = int, usual: Any = None) -> Any:
    """A number that the architecture's facts hold, or `usual`; UserError when they hold none."""
    name = f"{file.facts['general.architecture']}.{name}"
    value = file.facts.get(name, usual)
    if type(value) is not kind:
        raise UserError(
            _("{path} does not say its {name} as one number, so its shape is not known.").format(
                path=file.path, name=name
            )
        )
    return value


def _theirs(name: str) -> str:
    module, _dot, kind = name.rpartition(".")
    if found := re.fullmatch(r"model\.layers\.(\d+)\.(.+)", module):
        return f"blk.{found[1]}.{LAYER[found[2]]}.{kind}"
    return f"{OUTSIDE[module]}.{kind}"


def _missing(file: GgufFile, name: str) -> UserError:
    return UserError(
        _("{path}: tensor '{name}' is missing, so this is no whole model: download it again.").format(
            path=file.path, name=name
        )
    )


def _short(number: float) -> float:
    """The shortest number that is this one in fp32, as facts are stored: 9.99999974e-06 was written as 1e-05."""
    return float(str(np.float32(number)))


def _scaling(file: GgufFile, config: ModelConfig, arch: str) -> dict[str, Any] | None:
    """How the angles are stretched for long contexts: said in the facts, or by factors of frequencies (Llama 3.1)."""
    facts = file.facts
    kind = facts.get(f"{arch}.rope.scaling.type", "none")
    factor, original = (
        facts.get(f"{arch}.rope.scaling.factor"),
        facts.get(f"{arch}.rope.scaling.original_context_length"),
    )
    if FACTORS in file.tensors:
        factors = torch.from_numpy(file.read(FACTORS).copy())
        plain = rope_frequencies(config)[0]
        config.rope_scaling = {**LLAMA3, "factor": _short(factors.max().item())}
        if factors.shape == plain.shape and torch.allclose(plain / factors, rope_frequencies(config)[0], rtol=1e-4):
            return config.rope_scaling
    elif kind == "none":
        return None
    elif kind == "linear" and factor:
        return {"rope_type": "linear", "factor": _short(factor)}
    elif kind == "yarn" and factor and original:
        return {"rope_type": "yarn", "factor": _short(factor), "original_max_position_embeddings": original}
    raise UserError(_("{path}: its scaling of RoPE is not known to Fledge.").format(path=file.path))
