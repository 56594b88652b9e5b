"""The parts in the order of the book, and what the engine must know of each. Nothing here needs torch.

A part is a field of `fledge.parts.Parts`, an exercise of the same name, and a maker of cases in `cases.py`; a test holds
the four together.
"""

from __future__ import annotations

from dataclasses import dataclass

from fledge.lang import N_, Text


@dataclass(frozen=True)
class Part:
    """Attributes:
    generating: whether a model that writes uses it.
    mutates: arguments that it changes in place.
    watched: whether its results are looked at at once for what is no number; in the model the loss shows them.
    fp32: whether it sees fp32 whatever the model computes in.
    """

    about: Text
    generating: bool = False
    mutates: tuple[int, ...] = ()
    watched: bool = False
    fp32: bool = False


PARTS: dict[str, Part] = {
    "rms_norm": Part(N_("scales every vector to the same size"), generating=True),
    "apply_rope": Part(N_("turns positions into angles (RoPE)"), generating=True),
    "attention": Part(N_("what a position reads from before it"), generating=True),
    "swiglu": Part(N_("the gate of the feed-forward layer"), generating=True),
    "route_tokens": Part(N_("which experts a token goes to"), generating=True),
    "cross_entropy": Part(N_("the loss: how bad a guess was")),
    "clip_gradients": Part(N_("keeps a step from going too far"), mutates=(0,), watched=True, fp32=True),
    "adamw_step": Part(
        N_("the optimizer's update of a tensor"),
        mutates=(0, 2, 3),
        watched=True,
        fp32=True,
    ),
    "lr_at": Part(N_("the learning rate over a run"), watched=True, fp32=True),
    "sft_targets": Part(N_("in fine-tuning only answers count"), fp32=True),
    "kd_loss": Part(N_("how far a student is from its teacher")),
    "sample": Part(N_("draws the next token"), generating=True, fp32=True),
    "dpo_loss": Part(N_("of two answers one is better: the loss of DPO"), fp32=True),
}

FORWARD = tuple(name for name, part in PARTS.items() if part.generating)
