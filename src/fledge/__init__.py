"""Fledge: become an LLM engineer by building a language model. `load`, `train` and `plan` are the Python doors to it."""

from __future__ import annotations

from typing import Any

__all__ = ["load", "plan", "train"]
__version__ = (
    "0.1.0"  # pyproject.toml reads it here; the distribution is fledge-llm, and "fledge" on PyPI is somebody else's
)


def __getattr__(name: str) -> Any:
    """Look the public names up when they are used: `import fledge` itself loads neither torch nor anything large."""
    if name in __all__:
        import importlib

        return getattr(importlib.import_module("fledge.api"), name)
    raise AttributeError(f"module 'fledge' has no attribute '{name}'")
