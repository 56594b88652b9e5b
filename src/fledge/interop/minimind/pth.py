"""MiniMind's .pth files: read strictly as a Hugging Face shape and its weights, and written so that MiniMind loads them.

A file is the state dict of MiniMind's class in fp16. The names in it are Hugging Face's already; the tied head is there
twice. Of the shape it says only what its tensors show; the rest is fixed by its generation:

|                   | v2.5 (2025-10 to 2026-03)      | v3 (from 2026-03)            |
|-------------------|--------------------------------|------------------------------|
| it is             | Llama                          | Qwen3, Qwen3-MoE             |
| told by           |                                | q_norm, k_norm               |
| heads, of keys    | 8, 2                           | 8, 4                         |
| feed-forward      | hidden * 8/3, up to 64s        | hidden * pi, up to 64s       |
| rms_norm_eps      | 1e-5                           | 1e-6                         |
| mixture of experts| with a shared expert: not ours | 4 experts, 1 a token         |
| tokenizer         | 3 control tokens               | 36 control and added tokens  |

Source: jingyaogong/minimind, model/model_minimind.py and trainer/trainer_utils.py (commits 83e52f6 and d65ef2c).
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fledge.errors import UserError, suggest
from fledge.interop.minimind.tables import Generation
from fledge.lang import _, commas
from fledge.model.config import ModelConfig
from fledge.model.presets import preset
from fledge.model.transformer import Transformer
from fledge.model.weights import unwrapped

NAMES = {"v2": "MiniMind v2.5", "v3": "MiniMind v3"}
HEADS = 8  # of both generations; a v2.5 file does not show it
BUFFERS = ("freqs_cos", "freqs_sin")  # tables that old versions saved too
# What a .pth may leave unsaid: the maths of the model does not change with it, or its tensors show it.
FREE = {"max_position_embeddings", "initializer_range", "bos_token_id", "eos_token_id", "pad_token_id"}
FREE |= {"router_aux_loss_coef", "intermediate_size"}


def minimind_config(
    generation: Generation, hidden_size: int, num_hidden_layers: int = 8, use_moe: bool = False, **changes: Any
) -> ModelConfig:
    """The shape that MiniMind gives a model of this width; `changes` are further Hugging Face fields."""
    if generation == "v2":
        if use_moe:
            raise UserError(_no_family("--use_moe 1"))
        name, intermediate = "minimind2-small", 64 * ((int(hidden_size * 8 / 3) + 63) // 64)
    else:
        name = "minimind-3-moe" if use_moe else "minimind-3"
        intermediate = math.ceil(hidden_size * math.pi / 64) * 64
    shape: dict[str, Any] = {
        "hidden_size": hidden_size,
        "num_hidden_layers": num_hidden_layers,
        "head_dim": hidden_size // changes.get("num_attention_heads", HEADS),
        "intermediate_size": intermediate,
        **changes,
    }
    if use_moe:
        shape.setdefault("moe_intermediate_size", shape["intermediate_size"])
    return preset(name, **shape)


def read_pth(path: str | Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """The shape and the weights (fp32, without the tied head) of a .pth of either generation, or of a `_resume.pth`.

    Raises UserError when there is no such file, it is damaged, wants to run code, holds no whole MiniMind model, or one
    tensor too many or too few.
    """
    path = Path(path)
    tensors = {name: tensor for name, tensor in read_tensors(path).items() if not name.endswith(BUFFERS)}
    config = _config(tensors, path)
    if config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    with torch.device("meta"):
        expected = Transformer(config).state_dict()
    for name, slot in expected.items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if name not in tensors:
            raise UserError(
                _("{path}: tensor '{name}' is missing, so this is no whole model; copy or train it again.").format(
                    path=path, name=name
                )
            )
        if tensors[name].shape != slot.shape:
            raise UserError(
                _(
                    "{path}: tensor '{name}' has shape {shape}, but the first layer is one of a model in which it has "
                    "{slot_shape}; copy or train it again."
                ).format(path=path, name=name, shape=list(tensors[name].shape), slot_shape=list(slot.shape))
            )
        if not tensors[name].isfinite().all():
            raise UserError(
                _("{path}: tensor '{name}' holds nan or infinity: its run diverged; train it again.").format(
                    path=path, name=name
                )
            )
    for name in tensors:
        if name not in expected:
            raise UserError(
                _("{path}: tensor '{name}' has no place in a {generation} language model.").format(
                    path=path, name=name, generation=NAMES[generation_of(config)]
                )
            )
    return config, {name: tensor.float() for name, tensor in tensors.items()}


def write_pth(model: Transformer, path: str | Path) -> None:
    """Write `model` as MiniMind saves its own, at once or not at all; MiniMind's class loads it with strict=True.

    UserError for a model that is not MiniMind's in something that a .pth does not show, such as rope_theta.
    """
    path = Path(path)
    tensors = {name: tensor.detach().half().cpu() for name, tensor in model.state_dict().items()}
    theirs = _config(tensors, path)
    for field in dataclasses.fields(ModelConfig):
        mine, read = getattr(model.config, field.name), getattr(theirs, field.name)
        if mine != read and field.name not in FREE:
            whose = NAMES[generation_of(theirs)]
            raise UserError(
                _(
                    "'{path}' would be read as a {whose} model with {field} {read}, and this one has {mine}: "
                    "a .pth holds no config.json; write a Hugging Face folder with `fledge export hf`."
                ).format(path=path, whose=whose, field=field.name, read=read, mine=mine)
            )
    write_tensors(tensors, path)


def write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a .pth at once or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            torch.save(tensors, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except (OSError, RuntimeError) as error:  # torch writes through its own streams, which raise RuntimeError
        raise UserError(
            _("'{path}' cannot be written ({error}): make room, or mend its rights.").format(path=path, error=error)
        ) from None
    finally:
        with contextlib.suppress(OSError):  # NotADirectoryError, when the folder is a file
            beside.unlink()


def generation_of(config: ModelConfig) -> Generation:
    """Which MiniMind a shape read from a .pth belongs to."""
    return "v3" if config.qk_norm else "v2"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, that of the model when it is a `_resume.pth`."""
    if not path.is_file():
        raise UserError(_not_there(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that it then refuses
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file can make the unpickler raise anything
        if code := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise UserError(
                _(
                    "{path} is refused: loading it would run code in it ({code}), "
                    "and a MiniMind .pth holds weights only; do not load it."
                ).format(path=path, code=code[1])
            ) from None
        raise UserError(
            _("{path} is damaged, or no file of PyTorch weights; copy or train it again.").format(path=path)
        ) from None
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise UserError(
            _("{path} holds no weights of a model, but a {kind} of something else.").format(
                path=path, kind=type(content).__name__
            )
        )
    return unwrapped(content)


def _config(tensors: dict[str, Tensor], path: Path) -> ModelConfig:
    """The shape that the tensors show; UserError when they are no MiniMind language model's."""
    if tensors and all(".lora." in name for name in tensors):
        raise UserError(
            _(
                "{path} holds only the LoRA weights of a model: name the whole model, such as out/full_sft_512.pth."
            ).format(path=path)
        )
    if any(".mlp.shared_experts." in name for name in tensors):
        raise UserError(_no_family(str(path)))

    def shape(name: str) -> torch.Size:
        if name not in tensors:
            raise UserError(
                _("{path} holds no MiniMind model: it has no tensor '{name}'.").format(path=path, name=name)
            )
        return tensors[name].shape

    embedding, first = "model.embed_tokens.weight", "model.layers.0."
    vocab, hidden = shape(embedding)
    head = tensors.get("lm_head.weight")
    v3, moe = f"{first}self_attn.q_norm.weight" in tensors, f"{first}mlp.gate.weight" in tensors
    if moe and not v3:
        raise UserError(_no_family(str(path)))
    head_dim = shape(f"{first}self_attn.q_norm.weight")[0] if v3 else hidden // HEADS
    changes: dict[str, Any] = {"num_experts": shape(f"{first}mlp.gate.weight")[0]} if moe else {}
    return minimind_config(
        "v3" if v3 else "v2",
        hidden,
        1 + max(int(name.split(".")[2]) for name in tensors if re.match(r"model\.layers\.\d+\.", name)),
        moe,
        vocab_size=vocab,
        head_dim=head_dim,
        num_attention_heads=shape(f"{first}self_attn.q_proj.weight")[0] // head_dim,
        num_key_value_heads=shape(f"{first}self_attn.k_proj.weight")[0] // head_dim,
        intermediate_size=shape(f"{first}mlp.{'experts.0.' if moe else ''}gate_proj.weight")[0],
        tie_word_embeddings=head is None or torch.equal(head, tensors[embedding]),
        **changes,
    )


def _not_there(path: Path) -> str:
    """What is there instead of a .pth that is not."""
    for folder in dict.fromkeys([path.parent, Path("out"), Path("../out")]):
        if names := sorted(file.name for file in folder.glob("*.pth")):
            rest, near = len(names) - 8, suggest(path.name, names)
            more = _(" and {rest} more").format(rest=rest) if rest > 0 else ""
            return _("there is no file '{path}'; in '{folder}' there are {names}{more}.{near}").format(
                path=path, folder=folder, names=commas(names[:8]), more=more, near=near
            )
    return _("there is no file '{path}', and no .pth file in '{parent}'.").format(path=path, parent=path.parent)


def _no_family(what: str) -> str:
    return _(
        "{what}: the mixture of experts of MiniMind v2.5 has a shared expert, "
        "which no Hugging Face family that Fledge knows has; use a dense model, or one of MiniMind v3."
    ).format(what=what)
