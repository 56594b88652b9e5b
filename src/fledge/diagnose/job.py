"""What a job tells the diagnosis about itself; nothing else here knows one job from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class JobFacts:
    """Attributes:
    language: its loss is -log p of the next token. rewards: it learns from rewards, and its loss says nothing.
    prompts: its rows have parts that are no targets (questions).
    usual_rates: optimizer -> setting -> (lowest, highest) rate that suits some model; none is blamed from one to the other.
    """

    language: bool = False
    prompts: bool = False
    rewards: bool = False
    usual_rates: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
