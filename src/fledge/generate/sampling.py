"""What a caller asks of the generator and what it hands back. No torch here: the command line makes flags of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fledge.errors import UserError
from fledge.lang import _

OF_A_MODEL = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")  # what generation_config.json may decide


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen and when to stop."""

    max_new_tokens: int = 256
    """Stop after this many new tokens (finish reason "length")."""
    temperature: float = 0.7
    """Divide the logits by this; 0 takes the most probable token (greedy)."""
    top_k: int = 0
    """Keep only the k most probable tokens; 0 keeps all."""
    top_p: float = 1.0
    """Keep the smallest set of most probable tokens whose mass reaches this; 1 keeps all."""
    min_p: float = 0.0
    """Drop tokens less probable than this share of the most probable one; 0 keeps all."""
    repetition_penalty: float = 1.0
    """Above 1, make tokens that are already in the text less likely (CTRL); 1 does nothing."""
    stop: tuple[str, ...] = ()
    """End when one of these strings appears; the text is cut before it."""
    seed: int | None = None
    """Prompt number i draws from the stream of `seed + i`; without one it is taken from torch's global generator."""
    num_beams: int = 1
    """Above 1: beam search with this width. It is deterministic: temperature and seed have no effect."""
    length_penalty: float = 1.0
    """Beam search ranks by log-probability / length ** this: 0 favours short answers, larger values long ones."""

    def __post_init__(self) -> None:
        require = self._require
        require(self.max_new_tokens >= 1, "max_new_tokens", _("at least 1"))
        require(self.temperature >= 0, "temperature", _("0 (greedy) or more"))
        require(self.top_k >= 0, "top_k", _("0 (off) or more"))
        require(0 < self.top_p <= 1, "top_p", _("above 0 and at most 1"))
        require(0 <= self.min_p <= 1, "min_p", _("between 0 and 1"))
        require(self.repetition_penalty > 0, "repetition_penalty", _("above 0 (1 is off)"))
        require(self.num_beams >= 1, "num_beams", _("at least 1"))
        require(all(self.stop), "stop", _("strings that are not empty"))
        if self.num_beams > 1 and (self.filters or self.repetition_penalty != 1 or self.stop):
            raise UserError(
                _(
                    "Beam search (num_beams above 1) cannot be combined with top_k, top_p, min_p, "
                    "repetition_penalty or stop strings: leave those out or set num_beams to 1."
                )
            )

    def _require(self, ok: bool, name: str, wanted: str) -> None:
        if not ok:
            value = getattr(self, name)
            raise UserError(
                _("{name} must be {wanted}, but it is {value!r}.").format(name=name, wanted=wanted, value=value)
            )

    @classmethod
    def of_model(cls, generation_config: Mapping[str, Any]) -> Sampling:
        """How the makers of a model would have it sampled: the settings of generation_config.json that have our names.

        What it leaves out is as usual here. `do_sample: false` is greedy only where it is written: that is the default of
        transformers, which most files leave out and do not mean.
        """
        own = {name: value for name in OF_A_MODEL if (value := generation_config.get(name)) is not None}
        if generation_config.get("do_sample") is False:
            own = {"temperature": 0.0, **{name: own[name] for name in ("repetition_penalty",) if name in own}}
        return cls(**own)

    @property
    def filters(self) -> bool:
        """Whether some tokens may be ruled out before the draw."""
        return self.top_k > 0 or self.top_p < 1 or self.min_p > 0


@dataclass
class Completion:
    """What one prompt was answered with."""

    ids: list[int]
    """Every token the model chose, the control token or stop string that ended it included."""
    logprobs: list[float]
    """For each of `ids`, its log-probability in nats under the model at the sampling temperature (see `sampler`)."""
    text: str
    """The decoded answer, without control tokens and cut before a stop string."""
    finish_reason: Literal["stop", "length"]
