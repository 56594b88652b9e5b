"""Which optimizer `auto` means: who made the model, and what Muon's update would cost at these batches."""

from __future__ import annotations

from pathlib import Path

from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.model.source import find_model
from fledge.planning.work import computing, muon_flops
from fledge.records import Run
from fledge.training.config import TrainConfig

TOO_DEAR = 2.0  # times the arithmetic of the gradients that Muon's update may cost …
SMALL = 10e6  # … for models with more computing parameters: on smaller ones a step is short either way


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
