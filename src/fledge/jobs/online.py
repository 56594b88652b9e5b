"""What the jobs of online reinforcement learning share: their settings, and the objective that plays, rewards and learns.

GRPO, SPO and PPO differ in one thing, how much better than expected an answer was (`credit`), and in the loss of a token.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fledge.errors import UserError, advice, flag
from fledge.lang import N_, _
from fledge.training.config import Range, TrainConfig

if TYPE_CHECKING:
    from torch import Tensor

    from fledge.jobs.job import Setting
    from fledge.rewards import Episode
    from fledge.rollout.batch import RolloutBatch, Sample
    from fledge.rollout.prompts import Prompts
    from fledge.rollout.rollouts import Rollout
    from fledge.training.length import Length
    from fledge.training.objective import Loss, Metrics


@dataclass
class OnlineConfig(TrainConfig):
    """The model answers prompts, its answers are rewarded, and it learns from them."""

    rewards: list[str] = field(default_factory=lambda: ["verifier:1"])
    """What answers are worth, each with its weight: verifier:1 format:0.2 length=64:0.1 repetition:0.5 …"""
    batch_size: int = 16
    """Prompts per forward pass."""
    group_size: int = 8
    """Answers to every prompt."""
    max_new_tokens: int = 64
    """Longest answer (of one turn, when there are tools)."""
    temperature: float = 1.0
    """Of the answers while training; those of validations are greedy."""
    beta: float = 0.02
    """Weight of the KL divergence from the model that the run starts from; 0 does without that model."""
    rollout_steps: int = 1
    """Optimizer steps whose prompts are answered at once by the same weights; above 1 the later ones learn from an older self."""
    reuse: int = 1
    """How often each answer is learned from."""
    clip: float = 0.2
    """How far the probability of a token may move from its older self before it stops learning (only with `reuse` or
    `rollout_steps` above 1)."""
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
        (("temperature", "clip"), lambda value: value > 0, N_("above 0")),
        (("beta",), lambda value: value >= 0, N_("0 or more")),
    ]
    rates: ClassVar[dict[str, dict[str, float]]] = {
        "muon": {"lr": 0.002, "embed_lr": 0.01, "head_lr": 0.0015, "norm_lr": 0.0005},
        "adamw": {"lr": 0.0003},
    }

    def check(self) -> None:
        super().check()
        from fledge.rewards import parse

        for word in self.rewards:
            parse(word)
        if self.max_new_tokens >= self.seq_len:
            raise UserError(
                _("{flag} is {new}, and a row has {seq_len} tokens ({flag2}): no room is left for a prompt.").format(
                    flag=flag("max_new_tokens"), new=self.max_new_tokens, seq_len=self.seq_len, flag2=flag("seq_len")
                )
            )


class OnlineLearning:
    """Plays episodes, rewards them, and gives the loss of packed rows of them. A job says `credit`, and how tokens are averaged.

    Attributes:
        needs_old: whether the log-probabilities of the weights that wrote a row are kept, because others may train on it; otherwise
            the ratio is 1, with the gradient of a ratio.
    """

    needs_old = False

    def __init__(self, setting: Setting) -> None:
        import torch  # noqa: F401 (this module's help must not load it)

        from fledge.model.folder import load_model
        from fledge.rewards import compose
        from fledge.rollout.play import Play
        from fledge.rollout.rollouts import Rollouts

        config = self.config = setting.config
        self.model, self.tokenizer = setting.model, setting.tokenizer
        self.reward = compose(config.rewards, self.model, self.tokenizer)
        self.play = Play(
            config.max_new_tokens,
            config.seq_len,
            config.temperature,
            toolbox=_toolbox(config.tools),
            max_turns=config.max_turns if config.tools else 1,
        )
        self.train, self.val = self._prompts(setting)
        self.reference = None
        if config.beta > 0:
            assert setting.base is not None, "an online job starts from a model"
            self.reference = load_model(setting.base).to(self.model.device).requires_grad_(False).eval()
            self.reference.compute_dtype = self.model.compute_dtype
        self.needs_old |= config.rollout_steps * config.reuse > 1
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
        rest = {"room": room, "refuse": self.reward.refuse}
        if material is not None:
            train = from_rows(material.train, self.tokenizer, "train", **rest)
            val = None if material.val is None else from_rows(material.val, self.tokenizer, "val", **rest)
        else:
            train = from_files(config.data, self.tokenizer, **rest)
            val = from_files(config.val, self.tokenizer, **rest) if config.val else None
        return (train, val) if val is not None else train.split(config.val_fraction)

    # -- what a job says ---------------------------------------------------------------------------------------------------

    def credit(
        self, prompts: list[int], episodes: list[Episode], totals: list[float], samples: list[Sample]
    ) -> Metrics:
        """Give every sample its column `advantage`; figures to log, as (sum, count)."""
        raise NotImplementedError

    def weights(self, samples: list[Sample]) -> None:
        """Give every sample its column `weight`: 1, so that a loss is a mean over tokens."""
        for sample in samples:
            sample.fill("weight", 1.0)

    def count(self, samples: list[Sample]) -> int:
        """Denominator of the loss of these samples."""
        return sum(sample.num_chosen for sample in samples)

    def token_loss(self, logp_N: Tensor, column: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss of every token without KL, and which were clipped; `column` has old, advantage, …"""
        from fledge.rollout.policy import clipped_loss

        return clipped_loss(logp_N, column["old"], column["advantage"], self.config.clip, self.config.clip)

    def more_loss(self, hidden_ND: Tensor, column: dict[str, Tensor]) -> tuple[Tensor | float, Metrics]:
        """What is added to the summed loss (a critic's), from the hidden states of the chosen tokens' places."""
        return 0.0, {}

    def look(self, hidden_ND: Tensor) -> dict[str, Tensor]:
        """Further columns from the pass over a new rollout (a critic's values)."""
        return {}

    # -- rollouts (fledge.rollout.rollouts.Collector) ------------------------------------------------------------------------

    def collect(self, prompts: list[list[int]], seed: int) -> Rollout:
        """Episodes of all prompts at once, rewarded and credited."""
        from fledge.rollout.batch import Sample
        from fledge.rollout.rollouts import Rollout

        begun = time.perf_counter()
        numbers = [number for chunk in prompts for number in chunk]
        tasks, ids = [self.train.tasks[i] for i in numbers], [self.train.ids[i] for i in numbers]
        episodes = self.play(self.model, self.tokenizer, tasks, ids, self.config.group_size, seed)
        played = time.perf_counter() - begun
        totals, parts = self.reward(episodes)
        if not self.batches.made and min(totals) == max(totals):
            print(f"  {_all_equal(totals[0])}", file=sys.stderr)
        samples = [Sample.of(episode) for episode in episodes]
        size = len(prompts[0]) * self.config.group_size
        chunks = [samples[at : at + size] for at in range(0, len(samples), size)]
        self._look_back(chunks, episodes)
        metrics = self.credit(numbers, episodes, totals, samples)
        self.weights(samples)
        metrics |= figures(episodes, totals, parts) | {"rollout_seconds": (played, 1)}
        return Rollout(chunks, metrics)

    def _look_back(self, chunks: list[list[Sample]], episodes: list[Episode]) -> None:
        """Log-probabilities of the weights that wrote the samples and of the reference, packed as they will be trained."""
        import torch

        for chunk in chunks:
            batch = self.batch(chunk)
            with torch.no_grad():
                found = self._columns(batch)
            for name, values_N in found.items():
                for i, values in batch.by_sample(values_N).items():
                    chunk[i].columns[name] = values

    def _columns(self, batch: RolloutBatch) -> dict[str, Tensor]:
        from fledge.rollout.passes import logprobs, places_of

        found: dict[str, Tensor] = {}
        places, targets_N = places_of(batch, self.model.device)
        hidden_ND = self._hidden(self.model, batch)[places] if self.needs_old else None
        if hidden_ND is not None:
            found["old"] = logprobs(self.model, hidden_ND, targets_N, self.config.temperature)
            found |= self.look(hidden_ND)
        if self.reference is not None:
            hidden_ND = self._hidden(self.reference, batch)[places]
            found["reference"] = logprobs(self.reference, hidden_ND, targets_N, self.config.temperature)
        return found

    def _hidden(self, model: Any, batch: RolloutBatch) -> Tensor:
        device = self.model.device
        flat: Tensor = model.hidden(
            batch.inputs_BT.to(device),
            positions_BT=batch.positions_BT.to(device),
            segments_BT=batch.segments_BT.to(device),
            prefixes_BT=batch.prefixes_BT.to(device),
        ).flatten(0, 1)
        return flat

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

    def loss(self, batch: RolloutBatch) -> Loss:
        """Sum over the chosen tokens of weight × (loss + β KL), and how the policy looks: entropy, KL, share clipped."""
        from fledge.rollout.passes import Look, places_of
        from fledge.training.losses import chunked_loss
        from fledge.training.objective import Loss

        device = self.model.device
        places, targets_N = places_of(batch, device)
        column = {name: c.to(device).flatten()[places] for name, c in batch.columns_BT.items()}
        hidden_ND = self._hidden(self.model, batch)[places]
        look = Look(self, targets_N, column)
        total = chunked_loss(hidden_ND, self.model.lm_head.weight, look)
        more, metrics = self.more_loss(hidden_ND, column)
        return Loss(total + more, batch.count, batch.metrics | look.metrics() | metrics)

    def validate(self, max_tokens: int | None, splits: int = 1) -> dict[str, Any]:
        """The rewards of greedy answers to held-out prompts, of as many as fit into `max_tokens` when they fill their rows."""
        import dataclasses

        count = len(self.val) if max_tokens is None else min(len(self.val), max(1, max_tokens // self.config.seq_len))
        greedy = dataclasses.replace(self.play, temperature=0.0)
        episodes = greedy(self.model, self.tokenizer, self.val.tasks[:count], self.val.ids[:count], 1, seed=0)
        totals, parts = self.reward(episodes)
        self.transcript = [transcript(episodes[0], totals[0], {name: values[0] for name, values in parts.items()})]
        means = {name: total / n for name, (total, n) in figures(episodes, totals, parts).items()}
        return {f"val_{name}": float(value) for name, value in means.items()}

    def sample(self) -> list[dict[str, str]]:
        """The first held-out prompt and what was answered to it in the last validation."""
        return self.transcript

    def landmarks(self) -> dict[str, float]:
        return {}

    def describe(self) -> dict[str, Any]:
        return {"train": self.train.describe(), "val": self.val.describe(), "batches": self.batches.report()}


def figures(episodes: Sequence[Episode], totals: list[float], parts: dict[str, list[float]]) -> Metrics:
    """Mean reward and each of its parts, length in tokens, and the share that ended by itself."""
    count = len(episodes)
    found: Metrics = {"reward": (sum(totals), count)}
    if len(parts) > 1:
        found |= {f"reward_{name}": (sum(values), count) for name, values in parts.items()}
    found["length"] = sum(episode.num_chosen for episode in episodes), count
    found["finished"] = sum(episode.finished for episode in episodes), count
    return found


def _all_equal(reward: float) -> str:
    ways = advice(
        ("", _("easier prompts among them")), ("rewards", _("a finer reward in {}")), ("temperature", _("a higher {}"))
    )
    return _(
        "Every answer of the first rollout is worth {reward:g}: while answers do not differ there is nothing to learn; "
        "if it stays so, try {ways}."
    ).format(reward=reward, ways=ways)


def transcript(episode: Episode, total: float, parts: dict[str, float]) -> dict[str, str]:
    """An episode for a reader: its last question, and every turn after it with what it was worth."""
    said = [
        turn["content"] if turn["role"] == "assistant" else f"[{turn['role']}: {turn['content']}]"
        for turn in episode.turns
    ]
    worth = ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
    question = next(m["content"] for m in reversed(episode.task.messages) if m["role"] == "user")
    return {"prompt": question, "text": "\n".join(said) + f"  [{total:.2f}: {worth}]"}


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
