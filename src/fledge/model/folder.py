"""Model folders in Hugging Face form: save, and load strictly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fledge.adapt.format import is_adapter, own_base, plain_folder, refuse_other_base
from fledge.adapt.merging import merged_weights
from fledge.errors import UserError
from fledge.lang import _
from fledge.model.config import ModelConfig, read_object
from fledge.model.transformer import Transformer
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
    weights = unwrapped(read_weights(folder))
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


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read every tensor of a folder's safetensors file or shards; of an adapter's those of its base with its own merged in."""
    if is_adapter(folder):
        return merged_weights(unwrapped(read_weights(own_base(folder))), folder)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        hint = (
            _(" (only pickled .bin files are there; convert them to safetensors first)")
            if list(folder.glob("*.bin"))
            else ""
        )
        raise UserError(_("{folder} has no .safetensors file{hint}.").format(folder=folder, hint=hint))
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors |= load_file(file)
        except (SafetensorError, OSError, ValueError) as error:
            raise UserError(
                _("{file} is damaged or incomplete ({error}); copy or train it again.").format(file=file, error=error)
            ) from None
    return tensors


def unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the model's own names: torch.compile writes `_orig_mod.` into them, data parallel training `module.`."""
    own = {}
    for name, tensor in tensors.items():
        name = name.replace("_orig_mod.", "")
        while name.startswith("module."):
            name = name.removeprefix("module.")
        own[name] = tensor
    return own if len(own) == len(tensors) else tensors


def assign_weights(
    model: Transformer, tensors: dict[str, Tensor], where: str, dtype: torch.dtype = torch.float32
) -> None:
    """Put `tensors` into `model` as `dtype`, refusing anything missing, left over, or of another shape."""
    expected = model.state_dict()
    tensors = dict(tensors)
    if (
        model.config.tie_word_embeddings and "lm_head.weight" in expected
    ):  # some files carry the tied head twice, some once
        tensors["lm_head.weight"] = tensors.get("model.embed_tokens.weight", tensors.get("lm_head.weight"))  # type: ignore[assignment]
    for name, slot in expected.items():
        if name not in tensors:
            likely = _likely(name, tensors)
            raise UserError(
                _("{where}: tensor '{name}' is missing.{likely}").format(where=where, name=name, likely=likely)
            )
        if tensors[name].shape != slot.shape:
            has, should, advice = list(tensors[name].shape), list(slot.shape), _other_size(name, tensors[name], slot)
            raise UserError(
                _("{where}: tensor '{name}' has shape {has} but config.json says {should}; {advice}.").format(
                    where=where, name=name, has=has, should=should, advice=advice
                )
            )
        if not tensors[name].isfinite().all():
            raise UserError(
                _(
                    "{where}: tensor '{name}' holds nan or infinity: the run that wrote it diverged; train it again."
                ).format(where=where, name=name)
            )
    for name in tensors:
        if name not in expected:
            kind, likely = model.config.model_type, _likely(name, tensors)
            raise UserError(
                _("{where}: tensor '{name}' has no place in a {kind} model.{likely}").format(
                    where=where, name=name, kind=kind, likely=likely
                )
            )
    model.load_state_dict({k: tensors[k].to(dtype) for k in expected}, strict=True, assign=True)
    model.tie_head()


def _other_size(name: str, tensor: Tensor, slot: Tensor) -> str:
    """Which of the two is wrong when shapes differ."""
    if ("embed_tokens" in name or "lm_head" in name) and tensor.shape[1:] == slot.shape[1:]:
        return _(
            "the weights are for a vocabulary of {vocab_size}: use the config.json and tokenizer they came with"
        ).format(vocab_size=tensor.shape[0])
    return _("the weights are of another model size: use the config.json they came with")


def _likely(name: str, tensors: dict[str, Tensor]) -> str:
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
