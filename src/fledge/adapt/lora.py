"""LoRA: a frozen linear layer with a trained update of low rank beside it (Hu et al., 2021, arXiv:2106.09685), and DoRA, which
also trains the lengths of the weight's rows (Liu et al., 2024, arXiv:2402.09353).

    add_adapter(model, "mine", AdapterConfig(r=8))     freezes the model and puts an adapter on it; it is the one in use
    load_adapter(model, folder, "theirs")              another one beside it
    use_adapter(model, "mine")                         choose; None: the model as it was
    merge_adapter(model, "mine"); unmerge(model)       into the weights, and back to the very bits
    save_adapter(model, "mine", folder)                PEFT's two files
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.adapt.format import AdapterConfig, read_config, read_tensors, write_adapter
from fledge.adapt.merging import refuse_shape, updated
from fledge.adapt.quantised import NF4Linear
from fledge.errors import UserError, suggest
from fledge.lang import _, commas
from fledge.model.layers import Linear
from fledge.model.transformer import Transformer


class LowRank(nn.Module):
    """One adapter of one layer: A [r, in], B [out, r], and for DoRA the lengths of the rows [out]; trained in fp32.

    B begins as 0, so that the model begins as it was. A begins as nn.Linear does, U(±1/√in).
    """

    def __init__(self, base: Linear | NF4Linear, config: AdapterConfig, generator: torch.Generator):
        super().__init__()
        self.config = config
        bound, device = base.in_features**-0.5, next(base.parameters()).device
        A = torch.empty(config.r, base.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(A.to(device))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, config.r, device=device))
        lengths = base.weight.detach().float().norm(dim=1) if config.use_dora else None
        self.lora_magnitude_vector = None if lengths is None else nn.Parameter(lengths)
        self.dropout = nn.Dropout(config.lora_dropout)

    def forward(self, x: Tensor, y: Tensor, base: Linear | NF4Linear) -> Tensor:
        """`y` = W x + b [..., out] with the adapter's part; dropout falls on that part alone."""
        down = F.linear(self.dropout(x), self.lora_A.to(x.dtype))
        up, scaling = self.lora_B.to(x.dtype), self.config.scaling
        y_NO = torch.addmm(y.flatten(0, -2), down.flatten(0, -2), up.T, alpha=scaling)
        if self.lora_magnitude_vector is not None:
            with torch.no_grad():  # the lengths as they are now count as constants (section 4.3 of the paper)
                lengths = updated(base.weight, self.lora_A, self.lora_B, scaling, None).norm(dim=1)
            bias = 0 if base.bias is None else base.bias.to(x.dtype)
            y_NO = (y_NO - bias) * (self.lora_magnitude_vector / lengths).to(x.dtype) + bias
        return y_NO.view_as(y)

    def merged(self, weight: Tensor) -> Tensor:
        """The plain weight that `weight` with this adapter amounts to, fp32."""
        return updated(weight, self.lora_A, self.lora_B, self.config.scaling, self.lora_magnitude_vector)


class Adapted(nn.Module):
    """A linear layer with any number of adapters, of which one is in use or none."""

    def __init__(self, base: Linear | NF4Linear):
        super().__init__()
        self.base_layer = base
        self.adapters = nn.ModuleDict()
        self.active: str | None = None
        self.unmerged: Linear | NF4Linear | None = None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base_layer(x)
        if self.active is None or self.active not in self.adapters:
            return y
        adapted: Tensor = self.adapters[self.active](x, y, self.base_layer)
        return adapted

    @torch.no_grad()
    def merge(self, name: str) -> None:
        """The base with that adapter in its weights; what it was stays beside it, so that `unmerge` brings back every bit."""
        self.unmerged = self.unmerged or self.base_layer
        base, adapter = self.base_layer, self.adapters[name]
        assert isinstance(adapter, LowRank)
        merged = Linear(base.in_features, base.out_features, bias=False, device="meta")
        merged.weight = nn.Parameter(adapter.merged(base.weight).to(_dtype(base)), requires_grad=False)
        merged.bias = base.bias
        self.base_layer = merged

    def unmerge(self) -> None:
        self.base_layer, self.unmerged = self.unmerged or self.base_layer, None


def _dtype(base: Linear | NF4Linear) -> torch.dtype:
    return torch.float32 if isinstance(base, NF4Linear) else base.weight.dtype


def add_adapter(model: Transformer, name: str, config: AdapterConfig, seed: int = 0) -> None:
    """Freeze `model`, put an adapter on every layer that `target_modules` names, and use it.

    As in PEFT a target is the name of a layer or the end of one: q_proj, mlp.down_proj, layers.0.self_attn.v_proj. UserError for
    one that names no linear layer of a block.
    """
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for layer in chosen_layers(block_linears(model), config.target_modules):
        adapted = _adapted(model, layer)
        adapted.adapters[name] = LowRank(adapted.base_layer, config, generator)
    use_adapter(model, name)


def chosen_layers(layers: list[str], targets: tuple[str, ...]) -> list[str]:
    """Those of `layers` that a target names; UserError for a target that names none."""
    for target in targets:
        if not any(layer == target or layer.endswith(f".{target}") for layer in layers):
            kinds = list(dict.fromkeys(layer.rpartition(".")[2] for layer in layers))
            raise UserError(
                _("the model has no linear layer '{target}' in its blocks: there are {kinds}.{near}").format(
                    target=target, kinds=commas(kinds), near=suggest(target, kinds)
                )
            )
    return [layer for layer in layers if any(layer == t or layer.endswith(f".{t}") for t in targets)]


def block_linears(model: Transformer) -> list[str]:
    """The names of the linear layers of the blocks, without the routers of experts."""
    layers = []
    for name, module in model.named_modules():
        inside = {"base_layer", "unmerged"} & set(name.split("."))
        if isinstance(module, Linear | NF4Linear | Adapted) and not inside and name != "lm_head":
            layers.append(name)
    return [name for name in layers if not name.endswith(".mlp.gate")]


def _adapted(model: Transformer, layer: str) -> Adapted:
    """The layer of that name as one that takes adapters."""
    path, _, name = layer.rpartition(".")
    parent = model.get_submodule(path)
    module = getattr(parent, name)
    if not isinstance(module, Adapted):
        module = Adapted(module)
        setattr(parent, name, module)
    return module


def adapted_layers(model: Transformer) -> Iterator[tuple[str, Adapted]]:
    """The layers that have adapters, by name."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, Adapted))


def adapters(model: Transformer) -> dict[str, AdapterConfig]:
    """The adapters of a model by name."""
    found: dict[str, AdapterConfig] = {}
    for _layer, module in adapted_layers(model):
        found |= {name: adapter.config for name, adapter in module.adapters.items()}  # type: ignore[misc]
    return found


def use_adapter(model: Transformer, name: str | None) -> None:
    """Compute with that adapter and train it alone; None: the model as it was."""
    _known(model, name)
    for _layer, module in adapted_layers(model):
        module.active = name
        for own, adapter in module.adapters.items():
            adapter.requires_grad_(own == name)


def merge_adapter(model: Transformer, name: str) -> None:
    """Put an adapter into the weights: as fast as the plain model, and equal to the adapter up to rounding. No adapter is in use
    afterwards. Another one can be merged on top."""
    _known(model, name)
    for _layer, module in adapted_layers(model):
        if name in module.adapters:
            module.merge(name)
    use_adapter(model, None)


def unmerge(model: Transformer) -> None:
    """Take every merged adapter out again, to the bit. Until then the merged layers lie in memory twice."""
    for _layer, module in adapted_layers(model):
        module.unmerge()


def _known(model: Transformer, name: str | None) -> None:
    if name is not None and name not in (known := adapters(model)):
        near = suggest(name, known)
        raise UserError(_("the model has no adapter '{name}'.{near}").format(name=name, near=near))


def adapter_tensors(model: Transformer, name: str) -> dict[str, Tensor]:
    """The numbers of an adapter by PEFT's names."""
    tensors: dict[str, Tensor] = {}
    for layer, module in adapted_layers(model):
        if name in module.adapters:
            for part, parameter in module.adapters[name].named_parameters():
                suffix = "" if part == "lora_magnitude_vector" else ".weight"
                tensors[f"{layer}.{part}{suffix}"] = parameter
    return tensors


def save_adapter(model: Transformer, name: str, folder: str | Path) -> None:
    """Write an adapter as PEFT does."""
    _known(model, name)
    write_adapter(Path(folder), adapters(model)[name], adapter_tensors(model, name))


@torch.no_grad()
def load_adapter(model: Transformer, folder: str | Path, name: str) -> None:
    """Put the adapter in `folder` on `model` under that name, and use it. UserError when it is for other shapes."""
    folder = Path(folder)
    config, layers = read_config(folder), read_tensors(folder)
    linears = set(block_linears(model))
    generator = torch.Generator()
    model.requires_grad_(False)
    for layer, parts in layers.items():
        weight = _shape_of(model.get_submodule(layer)) if layer in linears else None
        refuse_shape(folder, layer, weight, parts["lora_A.weight"], parts["lora_B.weight"])
        adapted = _adapted(model, layer)
        adapter = LowRank(adapted.base_layer, config, generator)
        for part, parameter in adapter.named_parameters():
            parameter.copy_(parts.get(f"{part}.weight", parts.get(part)))  # type: ignore[arg-type]
        adapted.adapters[name] = adapter
    use_adapter(model, name)


def _shape_of(module: nn.Module) -> tuple[int, int]:
    """(out, in) of a linear layer, with adapters or without."""
    base = module.base_layer if isinstance(module, Adapted) else module
    assert isinstance(base, Linear | NF4Linear)
    return base.out_features, base.in_features
