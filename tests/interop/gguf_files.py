"""GGUF files for tests: tiny random models of transformers, written with the `gguf` package as llama.cpp's converter does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from tokenizers import AddedToken, models, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Split

from tests.interop.nasty import NASTY

gguf = pytest.importorskip("gguf", reason="the gguf package is not installed (pip install gguf)")
transformers = pytest.importorskip("transformers")

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN_SPLIT = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}"
    r"\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(pattern: str) -> PreTokenizer:
    cut = Split(tokenizers.Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([cut, ByteLevel(add_prefix_space=False, use_regex=False)])


CUTS: dict[str, Callable[[], PreTokenizer]] = {  # as the tokenizer.json of these models has it
    "gpt-2": lambda: ByteLevel(add_prefix_space=False),
    "smollm": lambda: pre_tokenizers.Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]),
    "qwen2": lambda: _split(LLAMA3_SPLIT.replace("{1,3}", "")),
    "llama-bpe": lambda: _split(LLAMA3_SPLIT),
    "tekken": lambda: _split(TEKKEN_SPLIT),
}
SPECIAL, ADDED = ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), ("<think>", "</think>")
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
TEMPLATE += "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"


def trained(pre: str = "qwen2", size: int = 640, alphabet: Sequence[str] | None = None) -> tokenizers.Tokenizer:
    """A tokenizer of Hugging Face's library that cuts as models with this rule do."""
    core = tokenizers.Tokenizer(models.BPE())
    core.pre_tokenizer = CUTS[pre]()
    full = ByteLevel.alphabet() if alphabet is None else list(alphabet)
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=full, special_tokens=[*SPECIAL, *ADDED], show_progress=False
    )
    core.train_from_iterator(NASTY * 3, trainer)
    model = json.loads(core.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    new = tokenizers.Tokenizer(
        models.BPE(vocab=model["vocab"], merges=merges, ignore_merges=pre in ("llama-bpe", "tekken"))
    )
    new.pre_tokenizer = CUTS[pre]()
    new.decoder = tokenizers.decoders.ByteLevel()
    new.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    new.add_tokens([AddedToken(token, special=False, normalized=False) for token in ADDED])
    return new


SHAPE: dict[str, Any] = dict(
    hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2
)


def random_model(kind: str = "llama", **changes: Any) -> Any:
    """A tiny model of transformers, no weight of which is 0 or 1."""
    torch.manual_seed(0)
    usual = {"vocab_size": 640, "max_position_embeddings": 256, "attn_implementation": "eager", **SHAPE}
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(kind, **{**usual, **changes})
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.05, 0.2)
    return model.eval()


def write_gguf(path: Path, model: Any, core: tokenizers.Tokenizer, pre: str | None = "qwen2", **options: Any) -> Path:
    """Write `model` as llama.cpp's converter does. Options: `kind`, of matrices; `facts`, further or other ones; `drop` and
    `extra`, tensors; `raw`, tensors as blocks (name -> bytes, kind)."""
    config, arch = model.config, {"mistral": "llama"}.get(model.config.model_type, model.config.model_type)
    facts = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.freq_base": float(config.rope_parameters["rope_theta"]),
    }
    if getattr(config, "head_dim", None):
        facts |= {"attention.key_length": config.head_dim, "attention.value_length": config.head_dim}
    facts = (
        {f"{arch}.{name}": value for name, value in facts.items()} | _token_facts(core, pre) | options.get("facts", {})
    )
    writer = gguf.GGUFWriter(path, facts.pop("general.architecture", arch))
    add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32}
    add |= {str: writer.add_string, list: writer.add_array}
    for name, value in facts.items():
        add[type(value)](name, value)
    tensors = {name: numbers for name, numbers in _tensors(model, arch) if name not in options.get("drop", ())}
    for name, numbers in (tensors | options.get("extra", {})).items():
        kind = options.get("kind", "F32") if numbers.ndim > 1 else "F32"  # vectors always stay fp32
        wanted = gguf.GGMLQuantizationType[kind]
        writer.add_tensor(name, gguf.quants.quantize(numbers, wanted), raw_dtype=wanted)
    for name, (blocks, kind) in options.get("raw", {}).items():
        writer.add_tensor(name, blocks, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(model: Any, arch: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name in a GGUF, numbers."""
    config = model.config
    named = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        numbers = tensor.detach().float().numpy()
        if arch == "llama" and (".q_proj." in name or ".k_proj." in name):
            heads = config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads
            numbers = numbers.reshape(heads, 2, len(numbers) // heads // 2, *numbers.shape[1:])
            numbers = numbers.swapaxes(1, 2).reshape(tensor.shape)  # LlamaModel.permute of the converter
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        yield named.get_name(name, try_suffixes=(".weight", ".bias")), np.ascontiguousarray(numbers)


def _token_facts(core: tokenizers.Tokenizer, pre: str | None) -> dict[str, Any]:
    content = json.loads(core.to_str())
    vocab = core.get_vocab(with_added_tokens=True)
    tokens = sorted(vocab, key=vocab.__getitem__)
    kinds = {token["content"]: 3 if token["special"] else 4 for token in content["added_tokens"]}
    facts = {
        "model": "gpt2",
        "tokens": tokens,
        "token_type": [kinds.get(token, 1) for token in tokens],
        "merges": [" ".join(pair) for pair in content["model"]["merges"]],
        "bos_token_id": vocab["<|im_start|>"],
        "eos_token_id": vocab["<|im_end|>"],
        "padding_token_id": vocab["<|endoftext|>"],
        **({"pre": pre} if pre else {}),
    }
    return {f"tokenizer.ggml.{name}": value for name, value in facts.items()} | {"tokenizer.chat_template": TEMPLATE}
