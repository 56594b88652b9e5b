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
from fledge.lang import say
from fledge.model.config import ModelConfig
from fledge.model.folder import unwrapped
from fledge.model.presets import preset
from fledge.model.transformer import Transformer

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
    tensors = {name: tensor for name, tensor in _tensors(path).items() if not name.endswith(BUFFERS)}
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
                say(
                    f"{path}：缺少张量 '{name}'，所以不是完整的模型：重新复制，或者重新训练。",
                    f"{path}: tensor '{name}' is missing, so this is no whole model; copy or train it again.",
                )
            )
        if tensors[name].shape != slot.shape:
            raise UserError(
                say(
                    f"{path}：张量 '{name}' 的形状是 {list(tensors[name].shape)}，但从第一层看应该是 "
                    f"{list(slot.shape)}：重新复制，或者重新训练。",
                    f"{path}: tensor '{name}' has shape {list(tensors[name].shape)}, but the first layer is one of a model "
                    f"in which it has {list(slot.shape)}; copy or train it again.",
                )
            )
        if not tensors[name].isfinite().all():
            raise UserError(
                say(
                    f"{path}：张量 '{name}' 里有 nan 或无穷大，那次训练发散了：重新训练。",
                    f"{path}: tensor '{name}' holds nan or infinity: its run diverged; train it again.",
                )
            )
    for name in tensors:
        if name not in expected:
            raise UserError(
                say(
                    f"{path}：{NAMES[generation_of(config)]} 的语言模型里没有张量 '{name}'。",
                    f"{path}: tensor '{name}' has no place in a {NAMES[generation_of(config)]} language model.",
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
                say(
                    f"'{path}' 会被当作 {field.name} 为 {read} 的 {whose} 模型来读，而这个模型的是 {mine}：.pth 里没有 "
                    "config.json，请用 `fledge export hf` 写成 Hugging Face 文件夹。",
                    f"'{path}' would be read as a {whose} model with {field.name} {read}, and this one "
                    f"has {mine}: a .pth holds no config.json; write a Hugging Face folder with `fledge export hf`.",
                )
            )
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
            say(
                f"写不了 '{path}'（{error}）：腾出空间，或者修改它的权限。",
                f"'{path}' cannot be written ({error}): make room, or mend its rights.",
            )
        ) from None
    finally:
        with contextlib.suppress(OSError):  # NotADirectoryError, when the folder is a file
            beside.unlink()


def generation_of(config: ModelConfig) -> Generation:
    """Which MiniMind a shape read from a .pth belongs to."""
    return "v3" if config.qk_norm else "v2"


def _tensors(path: Path) -> dict[str, Tensor]:
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
                say(
                    f"拒绝加载 {path}：加载它会运行里面的代码（{code[1]}），而 MiniMind 的 .pth 里只有权重；不要加载它。",
                    f"{path} is refused: loading it would run code in it ({code[1]}), and a MiniMind .pth holds weights only; "
                    "do not load it.",
                )
            ) from None
        raise UserError(
            say(
                f"{path} 损坏了，或者不是 PyTorch 的权重文件：重新复制，或者重新训练。",
                f"{path} is damaged, or no file of PyTorch weights; copy or train it again.",
            )
        ) from None
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise UserError(
            say(
                f"{path} 里没有模型的权重，只有装着别的东西的 {type(content).__name__}。",
                f"{path} holds no weights of a model, but a {type(content).__name__} of something else.",
            )
        )
    return unwrapped(content)


def _config(tensors: dict[str, Tensor], path: Path) -> ModelConfig:
    """The shape that the tensors show; UserError when they are no MiniMind language model's."""
    if tensors and all(".lora." in name for name in tensors):
        raise UserError(
            say(
                f"{path} 里只有模型的 LoRA 权重：改用整个模型的文件，例如 out/full_sft_512.pth。",
                f"{path} holds only the LoRA weights of a model: name the whole model, such as out/full_sft_512.pth.",
            )
        )
    if any(".mlp.shared_experts." in name for name in tensors):
        raise UserError(_no_family(str(path)))

    def shape(name: str) -> torch.Size:
        if name not in tensors:
            raise UserError(
                say(
                    f"{path} 里不是 MiniMind 的模型：没有张量 '{name}'。",
                    f"{path} holds no MiniMind model: it has no tensor '{name}'.",
                )
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
            more = say(f"，还有 {rest} 个", f" and {rest} more") if rest > 0 else ""
            return say(
                f"没有文件 '{path}'；'{folder}' 里有 {'、'.join(names[:8])}{more}。{near}",
                f"there is no file '{path}'; in '{folder}' there are {', '.join(names[:8])}{more}.{near}",
            )
    return say(
        f"没有文件 '{path}'，'{path.parent}' 里也没有 .pth 文件。",
        f"there is no file '{path}', and no .pth file in '{path.parent}'.",
    )


def _no_family(what: str) -> str:
    return say(
        f"{what}：MiniMind v2.5 的混合专家有一个共享专家，Fledge 认识的 Hugging Face 模型都没有它；改用普通（非混合专家）模型，"
        "或者 MiniMind v3 的模型。",
        f"{what}: the mixture of experts of MiniMind v2.5 has a shared expert, which no Hugging Face family that Fledge "
        "knows has; use a dense model, or one of MiniMind v3.",
    )
