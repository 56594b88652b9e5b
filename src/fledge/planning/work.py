"""The time of a training step by arithmetic: floating-point operations, bytes that pass through memory, kernels launched.

Three numbers, because three things can be the limit: the multipliers (wide models), the memory (narrow models, whose norms
and rotations touch many numbers for few products) and the launching of kernels (any small step on a GPU). Seconds are
their sum over what a machine does of each a second. From the same arithmetic
follows which optimizer `auto` means. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.model.source import find_model
from fledge.planning.memory import Pass, activations, linears, matrices, trained, weights
from fledge.records import Run
from fledge.training.config import TrainConfig

if TYPE_CHECKING:
    from fledge.planning.machines import Machine

MUON_STEPS = 4  # of training.optim.POLAR_EXPRESS
# How often the bytes that a pass saves go through memory: written and read forward, with their gradients backward,
# and the temporary copies between. Fitted to measured steps of 256 to 768 wide models (bench/plan_accuracy.py).
TOUCHES = 8
# How much longer torch's fused attention on a CPU takes than a matrix product of as many operations, by precision and
# whether there is a mask: forward and backward, rows of 1,024 (docs/LOG.md). fp16 was not measured: taken to be as bf16.
CPU_ATTENTION = {"fp32": (1.2, 1.7), "bf16": (2.2, 3.0), "fp16": (2.2, 3.0)}
LOGIT_BYTES = 40  # a logit: made, made fp32, normalised, its gradient, read by two products
PARAMETER_BYTES = 60  # a parameter and step: gradient, norm and clipping, moments, update
KERNELS_A_BLOCK = 170  # forward and backward of one block, eager
KERNELS_AN_ADAPTER = 12  # forward and backward of LoRA on one layer
DEQUANTISED_BYTES = 30  # a number made of four bits: its code, its value, its scale, in plain torch
KERNELS_A_PARAMETER = 10  # the optimizer's step on one tensor
TOO_DEAR = 2.0  # times the arithmetic of the gradients that Muon's update may cost …
SMALL = 10e6  # … for models with more computing parameters: on smaller ones a step is short either way


@dataclass(frozen=True)
class Work:
    """What one optimizer step asks of a machine."""

    flops: float
    bytes: float
    kernels: float


def step_work(
    shape: ModelConfig, step: Pass, optimizer: str, accumulation_steps: int, frozen: Sequence[ModelConfig] = ()
) -> Work:
    """One optimizer step of `accumulation_steps` passes; the `frozen` models only run forward (a reference, a teacher)."""
    saved = sum(activations(shape, replace(step, checkpoint=False)).values())
    passes = pass_flops(shape, step) + sum(forward_flops(other, step) for other in frozen)
    again = 4 / 3 if step.checkpoint else 1
    traffic = TOUCHES * saved * again + LOGIT_BYTES * step.num_tokens * shape.vocab_size
    kernels = KERNELS_A_BLOCK * (shape.num_hidden_layers + 1) * again
    tensors = (9 + shape.norms_a_block) * shape.num_hidden_layers
    total = sum(trained(shape, step.adapter).values())
    read = 4 * sum(weights(shape, step).values())
    if step.adapter is not None:
        adapted = sum(name in step.adapter.targets for name, _, _ in linears(shape))
        kernels, tensors = kernels + KERNELS_AN_ADAPTER * adapted, 2 * adapted
        if step.adapter.bits is not None:
            blocks = sum(rows * cols for name, rows, cols in linears(shape))
            read += DEQUANTISED_BYTES * blocks * (3 if step.checkpoint else 2)
    muon = muon_flops(shape) if optimizer == "muon" and step.adapter is None else 0
    return Work(
        flops=accumulation_steps * passes + muon,
        bytes=accumulation_steps * (traffic + read) + PARAMETER_BYTES * total,
        kernels=accumulation_steps * kernels + KERNELS_A_PARAMETER * tensors,
    )


def seconds_of(work: Work, machine: Machine) -> float:
    """What the machine needs for that work: products, memory and launches one after the other."""
    return work.flops / machine.flops + work.bytes / machine.bandwidth + work.kernels * machine.kernel_seconds


def pass_flops(shape: ModelConfig, step: Pass) -> float:
    """Forward and backward over all tokens of a pass: 6 a weight that computes and token (4 when it is frozen), and the T × T
    products (where a kernel is slower than a product, as many as would take its time).

    The embedding is a look-up and computes nothing; the head does, tied or not. Checkpoints run the blocks forward twice.
    """
    blocks, head = _forward_flops(shape, step)
    head *= bool(step.tables)
    frozen = 0.0
    if step.adapter is not None:
        frozen = 2 * (computing(shape) - shape.vocab_size * shape.hidden_size) + head  # no gradients of these
        blocks += 2 * sum(trained(shape, step.adapter).values())
    return step.num_tokens * (blocks * (4 if step.checkpoint else 3) + 3 * head - frozen)


def forward_flops(shape: ModelConfig, step: Pass) -> float:
    """A frozen model reads all tokens of a pass."""
    return step.num_tokens * sum(_forward_flops(shape, step))


def _forward_flops(shape: ModelConfig, step: Pass) -> tuple[float, float]:
    """(of the blocks, of the head) for one token, forward."""
    T = step.seq_len
    body = computing(shape) - shape.vocab_size * shape.hidden_size
    scores: float = 4 * T * shape.num_attention_heads * (shape.head_dim or 0) * shape.num_hidden_layers
    scores *= CPU_ATTENTION[step.precision][step.packed] if step.attention == "cpu" else 1
    return 2 * body + scores, 2 * shape.vocab_size * shape.hidden_size


def computing(shape: ModelConfig) -> int:
    """Parameters that multiply something for every token: active blocks and the head, without the embedding table."""
    counts = shape.num_parameters()
    return counts["active"] - counts["embedding"] + shape.vocab_size * shape.hidden_size


def muon_flops(shape: ModelConfig) -> float:
    """Muon's iteration for every block matrix: each step one Gram matrix, its square and one product."""
    one = {(r, c): MUON_STEPS * (4 * min(r, c) * r * c + 2 * min(r, c) ** 3) for r, c in matrices(shape)}
    return float(sum(one[size] * count for size, count in matrices(shape).items()))


def chosen_optimizer(config: TrainConfig, shape: ModelConfig) -> tuple[str, str]:
    """(its name, the reason in the reader's language).

    Muon's steps look like noise to weights that AdamW made, and the other way round: fine-tuning keeps to the maker.
    Measured on a real model of 135M parameters with 512 tokens a step: docs/LOG.md.
    """
    if config.optimizer != "auto":
        return config.optimizer, _("you said so")
    if config.model and maker(find_model(config.model)) != "muon":
        return "adamw", _("the model was not made by Muon")
    tokens = config.seq_len * config.batch_size * config.accumulation_steps
    if computing(shape) > SMALL and (times := update_share(shape, tokens)) > TOO_DEAR:
        return "adamw", _(
            "with {tokens} tokens a step, Muon's update would cost {times:.1f} times the gradient's arithmetic"
        ).format(tokens=tokens, times=times)
    if config.model:
        return "muon", _("Muon made the model")
    return "muon", _("new weights learn fastest with it")


def maker(base: Path) -> str | None:
    """The optimizer of the run that made a model folder; None for a model from elsewhere."""
    if base.name != "model" or not (base.parent / "run.json").is_file():
        return None
    found: str | None = Run(base.parent).info.get("config", {}).get("optimizer")
    return found


def update_share(shape: ModelConfig, tokens: int) -> float:
    """Arithmetic of Muon's update over that of the gradients of so many tokens."""
    return muon_flops(shape) / (6 * computing(shape) * tokens)
