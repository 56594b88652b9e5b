"""An adapter as a folder, in the form of PEFT: adapter_config.json and adapter_model.safetensors (and here the tokenizer).

PEFT's files name the base model by its path or hub id. Ours also say, in the metadata of the safetensors file, where the base lies
from here on and which weights it has, so that a moved folder still finds it and another base is refused. Nothing here needs torch
until tensors are read.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fledge.errors import UserError
from fledge.lang import _
from fledge.model.source import ADAPTER, find_model
from fledge.records import file_sha256

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."  # PEFT's name of the model that an adapter is in
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")  # of a block
PARTS = ("lora_A.weight", "lora_B.weight", "lora_magnitude_vector")  # of one layer's adapter
OTHER = (  # settings of PEFT's that change what an adapter computes in ways that are not known here
    "alpha_pattern", "alora_invocation_tokens", "arrow_config", "corda_config", "fan_in_fan_out", "lora_bias", "megatron_config",
    "modules_to_save", "rank_pattern", "target_parameters", "trainable_token_indices", "use_bdlora", "use_qalora",
)  # fmt: skip


@dataclass(frozen=True)
class AdapterConfig:
    """adapter_config.json with PEFT's names, and what else is known of the base.

    Attributes:
        r: rank of the update; its size is lora_alpha / r, with use_rslora lora_alpha / √r (Kalajdzievski, 2023).
        target_modules: last parts of the names of the layers that have one.
        use_dora: the update turns the weight's rows, and their lengths are trained too (Liu et al., 2024).
        base_sha256: of the base's weights; "" when nobody wrote it down.
        base_quantization: "nf4" when the adapter was trained on a base in four bits.
    """

    r: int = 16
    lora_alpha: float = 32.0
    lora_dropout: float = 0.0
    target_modules: tuple[str, ...] = LINEAR
    use_rslora: bool = False
    use_dora: bool = False
    base_model_name_or_path: str = ""
    base_sha256: str = ""
    base_quantization: str = ""

    @property
    def scaling(self) -> float:
        """What B A is multiplied with."""
        return self.lora_alpha / (math.sqrt(self.r) if self.use_rslora else self.r)


def read_config(folder: Path) -> AdapterConfig:
    """UserError when it is no LoRA adapter, or does what is not known here."""
    path = folder / ADAPTER
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kind, r = data.get("peft_type", ""), int(data["r"])
        alpha, dropout = float(data.get("lora_alpha", r)), float(data.get("lora_dropout", 0))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            _("{path} cannot be read ({error}); copy the adapter again.").format(path=path, error=error)
        ) from None
    if kind != "LORA" or r < 1:
        raise UserError(
            _("{path} holds an adapter of kind '{kind}'; only LoRA is known here.").format(path=path, kind=kind)
        )
    odd = [name for name in OTHER if data.get(name)] + ["bias"] * (data.get("bias", "none") != "none")
    if odd:
        raise UserError(
            _("{path} sets {name}, which changes more than linear layers of blocks; that is not known here.").format(
                path=path, name=odd[0]
            )
        )
    targets = data.get("target_modules") or []
    said = read_metadata(folder)
    return AdapterConfig(
        r, alpha, dropout, (targets,) if isinstance(targets, str) else tuple(targets), bool(data.get("use_rslora")),
        bool(data.get("use_dora")), str(data.get("base_model_name_or_path") or ""), said.get("base_sha256", ""),
        said.get("base_quantization", ""),
    )  # fmt: skip


def write_adapter(folder: Path, config: AdapterConfig, tensors: dict[str, Tensor]) -> None:
    """`tensors` by PEFT's names without its prefix: model.layers.0.self_attn.q_proj.lora_A.weight, …"""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    saved = {f"{PREFIX}{name}": tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    said = {"format": "pt", "base_sha256": config.base_sha256, "base_quantization": config.base_quantization}
    if near := _from_here(folder, config.base_model_name_or_path):
        said["base"] = near
    save_file(saved, folder / WEIGHTS, metadata={name: value for name, value in said.items() if value})
    data = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "inference_mode": True, "bias": "none",
        "base_model_name_or_path": config.base_model_name_or_path, "r": config.r, "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout, "target_modules": list(config.target_modules),
        "use_rslora": config.use_rslora, "use_dora": config.use_dora,
    }  # fmt: skip
    (folder / ADAPTER).write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _from_here(folder: Path, base: str) -> str:
    """The way from an adapter's folder to its base; "" for a hub id and for another drive of Windows."""
    if not Path(base).is_dir():
        return ""
    try:
        return Path(os.path.relpath(base, folder)).as_posix()
    except ValueError:
        return ""


def read_metadata(folder: Path) -> dict[str, str]:
    """What stands beside the tensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / WEIGHTS, framework="numpy") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _damaged(folder, error) from None


def read_tensors(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Layer -> {"lora_A.weight": [r, in], "lora_B.weight": [out, r], "lora_magnitude_vector": [out] with DoRA}."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(folder, error) from None
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(rf"{re.escape(PREFIX)}(.+)\.({'|'.join(map(re.escape, PARTS))})", name)
        if not match or match[1].rpartition(".")[2] not in LINEAR:
            raise UserError(
                _(
                    "{file}: tensor '{name}' belongs to no linear layer of a block; such an adapter cannot be used here."
                ).format(file=folder / WEIGHTS, name=name)
            )
        layers.setdefault(match[1], {})[match[2]] = tensor
    needed = set(PARTS if read_config(folder).use_dora else PARTS[:2])
    for layer, parts in layers.items():
        if needed != set(parts):
            raise _damaged(folder, _("of '{layer}' a part is missing").format(layer=layer))
    return layers


def _damaged(folder: Path, error: object) -> UserError:
    file = folder / WEIGHTS
    return UserError(
        _("{file} is damaged or incomplete ({error}); copy or train it again.").format(file=file, error=error)
    )


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and not a whole model."""
    return (folder / ADAPTER).is_file()


def find_adapter(source: str | Path) -> Path:
    """The adapter's folder that a run's name or a path means; UserError when it is a whole model."""
    folder = find_model(source)
    if not is_adapter(folder):
        raise UserError(_("'{source}' is a whole model and no adapter.").format(source=source))
    return folder


def plain_folder(folder: Path) -> Path:
    """The folder with config.json: `folder` itself, or for an adapter's that of its base."""
    while is_adapter(folder):
        folder = base_of(folder)
    return folder


def with_base(config: AdapterConfig, base: Path, named: str) -> AdapterConfig:
    """`config` for a base in that folder, which the user called `named`; a hub id stays one, for PEFT to find."""
    is_hub = re.fullmatch(r"[\w.-]+/[\w.-]+", named) and not Path(named).exists()
    path = named if is_hub else base.resolve().as_posix()
    return replace(config, base_model_name_or_path=path, base_sha256=weights_sha256(base))


def base_of(folder: Path) -> Path:
    """The folder of the model that an adapter belongs to, as its files name it."""
    near = read_metadata(folder).get("base", "")
    if near and (found := Path(os.path.normpath(folder / near))).is_dir():
        return found
    name = read_config(folder).base_model_name_or_path
    try:
        return find_model(name)
    except UserError:
        raise UserError(
            _(
                "'{folder}' is an adapter, and its base model '{name}' is not there: put the model back, or name it: "
                "`fledge chat MODEL --adapter {folder}`."
            ).format(folder=folder.as_posix(), name=name)
        ) from None


def own_base(folder: Path) -> Path:
    """The base of an adapter, as it was when the adapter was trained."""
    base = base_of(folder)
    refuse_other_base(folder, base)
    return base


def refuse_other_base(folder: Path, base: Path) -> None:
    """UserError when an adapter says that it belongs to other weights than those in `base`."""
    config = read_config(folder)
    if config.base_sha256 and config.base_sha256 != weights_sha256(base):
        name = config.base_model_name_or_path
        raise UserError(
            _(
                "the adapter in '{folder}' belongs to the model '{name}', and the weights in '{base}' are others: "
                "give it the model that it was trained on."
            ).format(folder=folder.as_posix(), name=name, base=base.as_posix())
        )


def weights_sha256(folder: Path) -> str:
    """Of a model folder's weights: of its one safetensors file, or of the hashes of several."""
    import hashlib

    hashes = [file_sha256(path) for path in sorted(folder.glob("*.safetensors"))]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
