"""What the jobs share whose model answers prompts and is trained on what it wrote: how answers are made, and the rows of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fledge.errors import UserError, flag
from fledge.lang import N_, _
from fledge.training.config import Range, TrainConfig

if TYPE_CHECKING:
    from torch import Tensor

    from fledge.data.rows import TaskRow
    from fledge.jobs.job import Setting
    from fledge.rewards import Episode
    from fledge.rollout.batch import RolloutBatch, Sample
    from fledge.rollout.prompts import Prompts
    from fledge.rollout.rollouts import Rollout
    from fledge.training.length import Length
    from fledge.training.objective import Loss, Metrics


@dataclass
class AnswersConfig(TrainConfig):
    """The model answers prompts, and learns from its answers."""

    batch_size: int = 16
    """Prompts per forward pass."""
    group_size: int = 8
    """Answers to every prompt."""
    max_new_tokens: int = 64
    """Longest answer (of one turn, when there are tools)."""
    temperature: float = 1.0
    """Of the answers while training; those of validations are greedy."""
    rollout_steps: int = 1
    """Optimizer steps whose prompts are answered at once by the same weights; above 1 the later ones learn from an older self."""
    reuse: int = 1
    """How often each answer is learned from."""
    tools: str | None = None
    """Tools that the model may call in several turns (calc, price, where): a world, as its size (tiny, small, large) or as the
    folder that `fledge world write` made."""
    max_turns: int = 4
    """Turns of the model in an episode with tools."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices (0 for embedding, head, norms)."""
    schedule: Any = "constant"
    """Shape of the learning rate after warm-up."""

    ranges: ClassVar[list[Range]] = [
        *TrainConfig.ranges,
        (("group_size", "max_new_tokens", "rollout_steps", "reuse", "max_turns"), lambda v: v >= 1, N_("at least 1")),
        (("temperature",), lambda value: value > 0, N_("above 0")),
    ]
    rates: ClassVar[dict[str, dict[str, float]]] = {
        "muon": {"lr": 0.002, "embed_lr": 0.01, "head_lr": 0.0015, "norm_lr": 0.0005},
        "adamw": {"lr": 0.0003},
    }

    def check(self) -> None:
        super().check()
        if self.max_new_tokens >= self.seq_len:
            raise UserError(
                _("{flag} is {new}, and a row has {seq_len} tokens ({flag2}): no room is left for a prompt.").format(
                    flag=flag("max_new_tokens"), new=self.max_new_tokens, seq_len=self.seq_len, flag2=flag("seq_len")
                )
            )


class OwnAnswers:
    """Plays episodes and packs them into rows. A job says what is learned from them: `judge`, `loss` and `validate`."""

    def __init__(self, setting: Setting) -> None:
        import torch  # noqa: F401 (this module's help must not load it)

        from fledge.rollout.play import Play
        from fledge.rollout.rollouts import Rollouts

        config = self.config = setting.config
        self.model, self.tokenizer = setting.model, setting.tokenizer
        self.play = Play(
            config.max_new_tokens,
            config.seq_len,
            config.temperature,
            toolbox=_toolbox(config.tools),
            max_turns=config.max_turns if config.tools else 1,
        )
        self.train, self.val = self._prompts(setting)
        self.batches = Rollouts(
            self.train,
            self,
            prompts_a_batch=config.batch_size,
            batches=config.accumulation_steps * config.rollout_steps,
            reuse=config.reuse,
            seed=config.seed,
        )
        self.transcript: list[dict[str, str]] = []

    def _prompts(self, setting: Setting) -> tuple[Prompts, Prompts]:
        from fledge.rollout.prompts import from_files, from_rows

        config, material = self.config, setting.material
        room = min(config.seq_len, self.model.config.max_position_embeddings) - config.max_new_tokens
        rest = {"room": room, "refuse": self.refuse}
        if material is not None:
            train = from_rows(material.train, self.tokenizer, "train", **rest)
            val = None if material.val is None else from_rows(material.val, self.tokenizer, "val", **rest)
        else:
            train = from_files(config.data, self.tokenizer, **rest)
            val = from_files(config.val, self.tokenizer, **rest) if config.val else None
        return (train, val) if val is not None else train.split(config.val_fraction)

    # -- what a job says ---------------------------------------------------------------------------------------------------

    def refuse(self, task: TaskRow) -> str:
        """Why a task cannot be used; "" when it can."""
        return ""

    def judge(self, prompts: list[int], episodes: list[Episode], chunks: list[list[Sample]]) -> Metrics:
        """Give every sample the columns that the loss needs; figures to log, as (sum, count). `prompts`: of each episode's group
        the number of its row; `chunks`: samples of the episodes in their order, as many together as one pass reads."""
        raise NotImplementedError

    def count(self, samples: list[Sample]) -> int:
        """Denominator of the loss of these samples."""
        return sum(sample.num_chosen for sample in samples)

    def loss(self, batch: RolloutBatch) -> Loss:
        raise NotImplementedError

    def validate(self, max_tokens: int | None, splits: int = 1) -> dict[str, Any]:
        raise NotImplementedError

    # -- rollouts (fledge.rollout.rollouts.Collector) ------------------------------------------------------------------------

    def collect(self, prompts: list[list[int]], seed: int) -> Rollout:
        """Episodes of all prompts at once, judged."""
        from fledge.rollout.batch import Sample
        from fledge.rollout.rollouts import Rollout

        begun = time.perf_counter()
        numbers = [number for chunk in prompts for number in chunk]
        tasks, ids = [self.train.tasks[i] for i in numbers], [self.train.ids[i] for i in numbers]
        episodes = self.play(self.model, self.tokenizer, tasks, ids, self.config.group_size, seed)
        played = time.perf_counter() - begun
        samples = [Sample.of(episode) for episode in episodes]
        size = len(prompts[0]) * self.config.group_size
        chunks = [samples[at : at + size] for at in range(0, len(samples), size)]
        metrics = self.judge(numbers, episodes, chunks)
        return Rollout(chunks, metrics | lengths(episodes) | {"rollout_seconds": (played, 1)})

    def hidden_of(self, model: Any, batch: RolloutBatch) -> Tensor:
        """The last hidden states [B, T, D] of a model on packed episodes."""
        device = self.model.device
        hidden_BTD: Tensor = model.hidden(
            batch.inputs_BT.to(device),
            positions_BT=batch.positions_BT.to(device),
            segments_BT=batch.segments_BT.to(device),
            prefixes_BT=batch.prefixes_BT.to(device),
        )
        return hidden_BTD

    def batch(self, samples: list[Sample]) -> RolloutBatch:
        from fledge.rollout.batch import pack

        return pack(samples, self.tokenizer.endoftext_id, self.count(samples), self.config.seq_len)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    # -- what the loop asks (fledge.training.objective.Objective) ------------------------------------------------------------

    def length(self, config: TrainConfig) -> Length:
        from fledge.training.length import Budget, Epochs, Updates

        prompts = config.batch_size * config.accumulation_steps
        if config.budget:
            return Budget(config.seconds() or 0.0)
        if config.steps:
            return Updates(config.steps)
        epochs = config.epochs or 1.0
        return Epochs(epochs, max(1, round(epochs * len(self.train) * self.config.reuse / prompts)))

    def answered(self, max_tokens: int | None, temperature: float) -> list[Episode]:
        """One episode of each held-out prompt, of as many as fit into `max_tokens` when they fill their rows; the same random
        numbers every time."""
        import dataclasses

        count = len(self.val) if max_tokens is None else min(len(self.val), max(1, max_tokens // self.config.seq_len))
        play = dataclasses.replace(self.play, temperature=temperature)
        return play(self.model, self.tokenizer, self.val.tasks[:count], self.val.ids[:count], 1, seed=0)

    def sample(self) -> list[dict[str, str]]:
        """The first held-out prompt and what was answered to it in the last validation."""
        return self.transcript

    def landmarks(self) -> dict[str, float]:
        return {}

    def describe(self) -> dict[str, Any]:
        return {"train": self.train.describe(), "val": self.val.describe(), "batches": self.batches.report()}


def lengths(episodes: Sequence[Episode]) -> Metrics:
    """Length in tokens, and the share that ended by itself."""
    count = len(episodes)
    return {
        "length": (sum(episode.num_chosen for episode in episodes), count),
        "finished": (sum(episode.finished for episode in episodes), count),
    }


def transcript(episode: Episode, worth: str) -> dict[str, str]:
    """An episode for a reader: its last question, and every turn after it, with what it was worth."""
    said = [
        turn["content"] if turn["role"] == "assistant" else f"[{turn['role']}: {turn['content']}]"
        for turn in episode.turns
    ]
    question = next(m["content"] for m in reversed(episode.task.messages) if m["role"] == "user")
    return {"prompt": question, "text": "\n".join(said) + f"  [{worth}]"}


def _toolbox(folder: str | None) -> Any:
    """The tools of a world; None without one."""
    if folder is None:
        return None
    import json

    from fledge.rollout.tools import world_toolbox
    from fledge.world import World
    from fledge.world.write import MANIFEST

    if folder in ("tiny", "small", "large"):
        return world_toolbox(World.build(folder))  # type: ignore[arg-type]
    path = Path(folder) / MANIFEST
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        return world_toolbox(World.build(made["size"], made["seed"]))
    except (OSError, ValueError, KeyError):
        raise UserError(
            _(
                "{flag}: {folder} is not the folder of a world (no {name} in it): make one with `fledge world write`."
            ).format(flag=flag("tools"), folder=folder, name=MANIFEST)
        ) from None
