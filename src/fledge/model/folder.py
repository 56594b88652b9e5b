"""Model folders in Hugging Face form: save, and load strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from fledge.adapt.format import plain_folder, refuse_other_base
from fledge.adapt.merging import merged_weights
from fledge.errors import UserError
from fledge.lang import _
from fledge.model.config import ModelConfig, read_object
from fledge.model.transformer import Transformer
from fledge.model.weights import read_weights
from fledge.parts import REFERENCE, Parts


def save_model(model: Transformer, folder: str | Path) -> None:
    """Write config.json, generation_config.json and model.safetensors; transformers v4 and v5 load the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    own = model.folder_config()
    _write_json(folder / "config.json", config.to_dict() | {"dtype": dtype, "torch_dtype": dtype} | own)
    if not own:  # it writes text
        _write_json(folder / "generation_config.json", model.generation_config or _generation_config(config))


def load_model(
    folder: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    parts: Parts = REFERENCE,
    adapters: Sequence[Path] = (),
) -> Transformer:
    """Load a model folder strictly; weights are kept and computed in `dtype`.

    Training needs fp32; for generation alone bf16 takes half the memory, and computes what fp32 weights cast at every call
    compute. Of an adapter's folder: the plain model that its base and it amount to; `adapters` are merged in on top, in their
    order, and must belong to this folder's weights. UserError: a mismatch, or a weight that is
    no number, names the first wrong tensor.
    """
    folder = Path(folder)
    config = ModelConfig.load(folder)
    if is_reward_model(folder):
        raise UserError(
            _(
                "{folder} holds a reward model, which scores answers and writes none: name the model that is to write."
            ).format(folder=folder)
        )
    with torch.device("meta"):
        model = Transformer(config, parts)
    weights = read_weights(folder)
    for adapter in adapters:
        refuse_other_base(adapter, folder)
        weights = merged_weights(weights, adapter)
    assign_weights(model, weights, str(folder), dtype)
    model.set_frequencies()  # the meta device has no numbers
    model.compute_dtype = dtype
    if (path := plain_folder(folder) / "generation_config.json").is_file():
        model.generation_config = _checked(read_object(path), path)
    return model.to(device).eval()


def is_reward_model(folder: Path) -> bool:
    """Whether the folder holds a model that gives one number to an answer (see model.reward)."""
    named = read_object(plain_folder(folder) / "config.json").get("architectures") or [""]
    return str(named[0]).endswith("ForSequenceClassification")


def _checked(generation: dict[str, Any], path: Path) -> dict[str, Any]:
    """UserError when the end tokens of a generation_config.json are no token ids."""
    ends = generation.get("eos_token_id")
    if any(type(id) is not int for id in (ends if isinstance(ends, list) else [] if ends is None else [ends])):
        raise UserError(
            _(
                "{path}: eos_token_id is {ends!r}, and must be a token's number or a list of them; copy the model folder again."
            ).format(path=path, ends=ends)
        )
    return generation


def _generation_config(config: ModelConfig) -> dict[str, Any]:
    """What a model of ours says about sampling; a text of its ends with what it began with."""
    ends = dict.fromkeys(
        [*config.end_ids, *([config.bos_token_id] if config.bos_token_id == config.pad_token_id else [])]
    )
    return {
        "bos_token_id": config.bos_token_id,
        "eos_token_id": [id for id in ends if id is not None],
        "pad_token_id": config.pad_token_id,
        "do_sample": True,
        "temperature": 0.7,
        "top_p": 0.95,
    }


def assign_weights(
    model: Transformer, tensors: Mapping[str, Tensor], where: str, dtype: torch.dtype = torch.float32
) -> None:
    """Put `tensors` into `model` as `dtype`, one after the other, refusing anything missing, left over, or of another shape."""
    expected = model.state_dict()
    if tied := model.config.tie_word_embeddings and "lm_head.weight" in expected:
        del expected["lm_head.weight"]  # some files carry it all the same
    for name in expected:
        if name not in tensors:
            likely = _likely(name, tensors)
            raise UserError(
                _("{where}: tensor '{name}' is missing.{likely}").format(where=where, name=name, likely=likely)
            )
    for name in tensors:
        if name not in expected and not (tied and name == "lm_head.weight"):
            kind, likely = model.config.model_type, _likely(name, tensors)
            raise UserError(
                _("{where}: tensor '{name}' has no place in a {kind} model.{likely}").format(
                    where=where, name=name, kind=kind, likely=likely
                )
            )
    own = {name: _checked_tensor(tensors[name], name, slot, where, dtype) for name, slot in expected.items()}
    if tied:
        own["lm_head.weight"] = own["model.embed_tokens.weight"]
    model.load_state_dict(own, strict=True, assign=True)
    model.tie_head()


def _checked_tensor(tensor: Tensor, name: str, slot: Tensor, where: str, dtype: torch.dtype) -> Tensor:
    """A copy as `dtype`; UserError when it is of another shape than its place, or holds what is no number."""
    if tensor.shape != slot.shape:
        has, should, advice = list(tensor.shape), list(slot.shape), _other_size(name, tensor, slot)
        raise UserError(
            _("{where}: tensor '{name}' has shape {has} but config.json says {should}; {advice}.").format(
                where=where, name=name, has=has, should=should, advice=advice
            )
        )
    if not tensor.isfinite().all():
        raise UserError(
            _("{where}: tensor '{name}' holds nan or infinity: the run that wrote it diverged; train it again.").format(
                where=where, name=name
            )
        )
    return tensor.to(dtype, copy=True)


def _other_size(name: str, tensor: Tensor, slot: Tensor) -> str:
    """Which of the two is wrong when shapes differ."""
    if ("embed_tokens" in name or "lm_head" in name) and tensor.shape[1:] == slot.shape[1:]:
        return _(
            "the weights are for a vocabulary of {vocab_size}: use the config.json and tokenizer they came with"
        ).format(vocab_size=tensor.shape[0])
    return _("the weights are of another model size: use the config.json they came with")


def _likely(name: str, tensors: Mapping[str, Tensor]) -> str:
    has_qk_norm = any("q_norm" in key for key in tensors)
    if "q_norm" in name or "k_norm" in name:
        if has_qk_norm:
            return _(" The weights have QK-norm, so they are Qwen3's: set model_type to qwen3.")
        return _(" The weights have no QK-norm, so they are Llama's: set model_type to llama.")
    if ".self_attn." in name and name.endswith(".bias"):
        if name in tensors:
            return _(" Biases on queries, keys and values are Qwen2's: set model_type to qwen2.")
        return _(" The weights have no biases, so they are not Qwen2's: set model_type to llama.")
    if ".mlp." in name and _is_expert(name) != any(map(_is_expert, tensors)):
        return _(" One of the two is a mixture of experts and the other is not: check model_type and num_experts.")
    if ".layers." in name:
        return _(" Check num_hidden_layers in config.json.")
    if name == "lm_head.weight":
        return _(" Check tie_word_embeddings in config.json.")
    return ""


def _is_expert(name: str) -> bool:
    return ".mlp.experts." in name or ".mlp.gate.weight" in name


def _write_json(path: Path, data: dict) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
