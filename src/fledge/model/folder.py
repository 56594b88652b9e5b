"""Model folders in Hugging Face form: save, and load strictly."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fledge.errors import UserError
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_frequencies
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
    _write_json(folder / "config.json", config.to_dict() | {"dtype": dtype, "torch_dtype": dtype})
    _write_json(
        folder / "generation_config.json",
        {
            "bos_token_id": config.bos_token_id,
            "eos_token_id": [i for i in (config.eos_token_id, config.bos_token_id) if i is not None],
            "pad_token_id": config.pad_token_id,
            "do_sample": True,
            "temperature": 0.7,
            "top_p": 0.95,
        },
    )


def load_model(folder: str | Path, *, device: str | torch.device = "cpu", parts: Parts = REFERENCE) -> Transformer:
    """Load a model folder strictly, in fp32. A mismatch, or a weight that is no number, names the first wrong tensor."""
    folder = Path(folder)
    config = ModelConfig.load(folder)
    with torch.device("meta"):
        model = Transformer(config, parts)
    assign_weights(model, read_weights(folder), str(folder))
    model.register_buffer("inv_freq", rope_frequencies(config)[0], persistent=False)  # the meta device has no numbers
    return model.to(device).eval()


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read every tensor of a folder's safetensors file or shards."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        hint = (
            " (only pickled .bin files are there; convert them to safetensors first)"
            if list(folder.glob("*.bin"))
            else ""
        )
        raise UserError(f"{folder} has no .safetensors file{hint}.")
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors |= load_file(file)
        except (SafetensorError, OSError, ValueError) as error:
            raise UserError(f"{file} is damaged or incomplete ({error}); copy or train it again.") from None
    return tensors


def assign_weights(model: Transformer, tensors: dict[str, Tensor], where: str) -> None:
    """Put `tensors` into `model` (as fp32), refusing anything missing, left over, or of another shape."""
    expected = model.state_dict()
    tensors = dict(tensors)
    if model.config.tie_word_embeddings:  # some files carry the tied head twice, some once
        tensors["lm_head.weight"] = tensors.get("model.embed_tokens.weight", tensors.get("lm_head.weight"))  # type: ignore[assignment]
    for name, slot in expected.items():
        if name not in tensors:
            raise UserError(f"{where}: tensor '{name}' is missing.{_likely(name, tensors)}")
        if tensors[name].shape != slot.shape:
            raise UserError(
                f"{where}: tensor '{name}' has shape {list(tensors[name].shape)} but config.json says {list(slot.shape)};"
                f" {_other_size(name, tensors[name], slot)}."
            )
        if not tensors[name].isfinite().all():
            raise UserError(
                f"{where}: tensor '{name}' holds nan or infinity: the run that wrote it diverged; train it again."
            )
    for name in tensors:
        if name not in expected:
            raise UserError(
                f"{where}: tensor '{name}' has no place in a {model.config.model_type} model.{_likely(name, tensors)}"
            )
    model.load_state_dict({k: tensors[k].float() for k in expected}, strict=True, assign=True)
    if model.config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight


def _other_size(name: str, tensor: Tensor, slot: Tensor) -> str:
    """Which of the two is wrong when shapes differ."""
    if ("embed_tokens" in name or "lm_head" in name) and tensor.shape[1:] == slot.shape[1:]:
        return (
            f"the weights are for a vocabulary of {tensor.shape[0]}: use the config.json and tokenizer they came with"
        )
    return "the weights are of another model size: use the config.json they came with"


def _likely(name: str, tensors: dict[str, Tensor]) -> str:
    has_qk_norm = any("q_norm" in key for key in tensors)
    if "q_norm" in name or "k_norm" in name:
        return (
            " The weights have QK-norm, so they are Qwen3's: set model_type to qwen3."
            if has_qk_norm
            else " The weights have no QK-norm, so they are Llama's: set model_type to llama."
        )
    if ".mlp." in name and _is_expert(name) != any(map(_is_expert, tensors)):
        return " One of the two is a mixture of experts and the other is not: check model_type and num_experts."
    if ".layers." in name:
        return " Check num_hidden_layers in config.json."
    if name == "lm_head.weight":
        return " Check tie_word_embeddings in config.json."
    return ""


def _is_expert(name: str) -> bool:
    return ".mlp.experts." in name or ".mlp.gate.weight" in name


def _write_json(path: Path, data: dict) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
