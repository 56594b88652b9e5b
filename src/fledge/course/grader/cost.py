"""What a call costs, counted and not timed: the same number on every machine.

- flops: matrix products, convolutions and fused attention by torch's own formulas; every other operation that computes
  counts one per element of its largest floating tensor; moving data counts none.
- bytes: what operations write, temporaries included; views and uninitialised memory write nothing.
- saved: what autograd keeps for the backward pass beyond the arguments themselves.

Work in plain Python is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

Cost = dict[str, int]
NO_WORK = {
    "alias", "arange", "as_strided", "cat", "clone", "constant_pad_nd", "copy", "copy_", "detach", "embedding", "empty",
    "empty_like", "empty_strided", "eye", "fill", "fill_", "full", "full_like", "gather", "index", "index_put",
    "index_put_", "index_select", "lift_fresh", "new_empty", "new_full", "new_ones", "new_zeros", "ones", "ones_like",
    "repeat", "roll", "scalar_tensor", "scatter", "scatter_", "stack", "_to_copy", "tril", "triu", "_unsafe_view",
    "zero_", "zeros", "zeros_like",
}  # fmt: skip
NOTHING_WRITTEN = {"empty", "empty_like", "empty_strided", "new_empty"}


class Meter(TorchDispatchMode):
    """Counts the operations inside a `with` block."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.bytes = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing here is compiled; True would import torch._dynamo, which takes a second

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        packet = func.overloadpacket
        name = packet.__name__
        given, made = _tensors((args, kwargs)), _tensors(result)
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **kwargs, out_val=result)
        elif name == "_scaled_dot_product_flash_attention_for_cpu":
            self.flops += sdpa_flop_count(*(tensor.shape for tensor in args[:3]))
        elif not func.is_view and name not in NO_WORK:
            self.flops += max((tensor.numel() for tensor in given + made if tensor.is_floating_point()), default=0)
        if not func.is_view and name not in NOTHING_WRITTEN:
            storages = set() if func._schema.is_mutable else {_storage(tensor) for tensor in given}
            self.bytes += sum(t.numel() * t.element_size() for t in made if _storage(t) not in storages)
        return result


def measure_cost(call: Callable[[], Any], arguments: Iterable[Tensor]) -> Cost:
    """Run `call` once and count; `arguments` are the tensors that exist anyway."""
    given = {_storage(tensor) for tensor in arguments}
    saved: list[Tensor] = []  # held until the end, so that no two of them ever have the same address

    def keep(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), Meter() as meter:
        result = call()
    kept = {_storage(tensor): tensor.untyped_storage().nbytes() for tensor in saved}
    del result
    return {
        "flops": meter.flops,
        "bytes": meter.bytes,
        "saved": sum(size for storage, size in kept.items() if storage not in given),
    }


def over(cost: Cost, reference: Cost, ceilings: dict[str, float]) -> str | None:
    """The first cost that is above its ceiling (so many times the reference's), or None."""
    return next((name for name, times in ceilings.items() if cost[name] > times * reference[name]), None)


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
