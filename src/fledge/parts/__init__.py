"""Parts: the functions that the model and the training loop are built from.

Every part is a function that a learner can write themselves; `Parts` names one implementation of each. The default is the
reference in `reference.py` and `sampling.py`. Replace some with `dataclasses.replace(REFERENCE, rms_norm=mine)`.

What stands in a learner's workspace takes their places with `--parts mine`: `learner.py` loads and watches it, `verify.py`
holds it against the reference first, and `blame.py` finds out whose fault it was when a run went wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fledge.parts import reference, sampling


@dataclass(frozen=True)
class Parts:
    """One implementation of every part; names and signatures are those of the reference."""

    rms_norm: Callable = reference.rms_norm
    apply_rope: Callable = reference.apply_rope
    attention: Callable = reference.attention
    swiglu: Callable = reference.swiglu
    route_tokens: Callable = reference.route_tokens
    sft_targets: Callable = reference.sft_targets
    cross_entropy: Callable = reference.cross_entropy
    kd_loss: Callable = reference.kd_loss
    clip_gradients: Callable = reference.clip_gradients
    adamw_step: Callable = reference.adamw_step
    lr_at: Callable = reference.lr_at
    sample: Callable = sampling.sample
    dpo_loss: Callable = reference.dpo_loss


REFERENCE = Parts()
