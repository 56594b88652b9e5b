"""Parts: the functions that the model and the training loop are built from.

Every part is a pure function that a learner can write themselves; `Parts` names one implementation of each. The
default is the reference in `reference.py` and `sampling.py`. Replace some with `dataclasses.replace(REFERENCE, rms_norm=mine)`.
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
    cross_entropy: Callable = reference.cross_entropy
    adamw_step: Callable = reference.adamw_step
    lr_at: Callable = reference.lr_at
    sample: Callable = sampling.sample


REFERENCE = Parts()
