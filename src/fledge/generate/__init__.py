"""One generation engine on the live weights: prefill, then one batched step per token, with its log-probability.

The tour: `sampling` (what a user asks for) → `engine` (the loop) → `cache` (keys and values) → `sampler` (how a token
is chosen) → `beam` (the search that does not sample). Importing this package imports no torch until the engine is
used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fledge.generate.sampling import Completion, Sampling

if TYPE_CHECKING:
    from fledge.generate.engine import Generator

__all__ = ["Completion", "Generator", "Sampling"]


def __getattr__(name: str) -> Any:
    if name == "Generator":
        from fledge.generate.engine import Generator

        return Generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
