"""What a training job is: everything that the command line, the planner, the check of a run and the runner ask about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fledge.diagnose.job import JobFacts
from fledge.lang import Text
from fledge.planning.facts import Planning
from fledge.training.config import TrainConfig

if TYPE_CHECKING:
    from pathlib import Path

    from fledge.data.rows import Kind
    from fledge.model.transformer import Transformer
    from fledge.tokenizer import Tokenizer
    from fledge.training.objective import Objective


@dataclass
class Material:
    """Data of a job that does not come from files: rows in memory, and known landmarks of their curve."""

    train: Iterable[Any]
    val: Iterable[Any] | None = None
    replay: Iterable[Any] | None = None
    landmarks: dict[str, Any] = field(default_factory=dict)


@dataclass
class Setting:
    """What an objective is built from. `base`: the folder of the model that the run starts from; None for new weights."""

    config: Any
    model: Transformer
    tokenizer: Tokenizer
    base: Path | None
    material: Material | None
    hidden: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Job:
    """One way to train.

    Attributes:
        about: one line of help.
        config: the class of its settings, whose defaults are the job's.
        rows: what its data files hold.
        fresh: whether it may begin with new weights; otherwise it needs a model.
        planning: what the planner has to know.
        objective: built when everything else is there (it loads torch).
        next_command: what one types to see the result, with {run}.
        language: whether its loss is -log p of the next token, so that counting tokens gives landmarks of its curve.
        lowest_rate: of AdamW, for models of some hundred million parameters; the default is for a million.
        save: what the run's model folder holds, when that is not the whole model.
    """

    name: str
    about: Text
    config: type[TrainConfig]
    rows: Kind
    fresh: bool
    planning: Planning
    objective: Callable[[Setting], Objective]
    next_command: str
    language: bool = True
    lowest_rate: float = 0.0
    save: Callable[[Transformer, Path], None] | None = None

    def facts(self, settings: Mapping[str, Any] = MappingProxyType({})) -> JobFacts:
        """What the check of a run with these settings has to know."""
        rates = self.config.rates
        return JobFacts(
            language=self.language,
            prompts=settings.get("kind", self.rows) == "chat",
            rewards=hasattr(self.config(), "rewards"),
            usual_rates={
                "muon": {name: (rate, rate) for name, rate in rates["muon"].items()},
                "adamw": {"lr": (self.lowest_rate, rates["adamw"]["lr"])},
            },
        )
