"""The objective of `fledge train dpo`: what a loss of preferences is over packed pairs, or over single judged answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fledge.data.batches import TokenBatch
from fledge.data.pairs import AnswerBatch, AnswerBatches, places
from fledge.jobs.answers import Answers, pair_measures
from fledge.jobs.data import sampler
from fledge.jobs.job import Setting
from fledge.jobs.language import model_inputs
from fledge.lang import _
from fledge.training import preference
from fledge.training.logps import sequence_logps
from fledge.training.objective import Loss, Metrics
from fledge.training.reference import reference_logps


class Preferences(Answers):
    """`reference`: log p under the model as it was before the first step, of the answers to train on and of the held-out ones."""

    def __init__(self, setting: Setting) -> None:
        self.config = setting.config
        self.single = self.config.loss == "kto"
        super().__init__(setting, self.config.kind, in_pairs=not self.single, mismatched=self.single)
        self.sample = sampler(setting, self.val, self.config.kind)  # type: ignore[method-assign]
        self.reference = (self._reference(self.rows), self._reference(self.val_rows))
        self.good = (_good(self.train), _good(self.val))

    def _reference(self, rows: AnswerBatches | None) -> Tensor | None:
        if rows is None or not self.config.reads_first:
            return None

        def say() -> None:
            print(_("reading all rows once: how likely every answer is to the model as it is now …"))

        return reference_logps(self.model, rows, self.logps, say)

    def logps(
        self, tokens: TokenBatch, places_M: Tensor, count: int, hidden: Callable[..., Tensor] | None = None
    ) -> Tensor:
        """log p of the `count` answers in some rows."""
        hidden_BTD = (hidden or self.model.hidden)(**model_inputs(tokens, self.model.device))
        return sequence_logps(hidden_BTD, self.model.lm_head.weight, tokens.targets_BT, places_M, count)

    def known(self, batch: AnswerBatch, held_out: bool, mismatched: bool = False) -> Tensor:
        """log p of the batch's answers under the reference; 0 where the loss has none."""
        reference = self.reference[held_out]
        if reference is None:
            return torch.zeros(len(batch.answers_N), device=self.model.device)
        return reference[int(mismatched), batch.answers_N.to(reference.device)]

    def judge(self, batch: AnswerBatch, hidden: Callable[..., Tensor], held_out: bool) -> Loss:
        places_M, count = batch.places_M(), len(batch.answers_N)
        logps_N = self.logps(batch.tokens, places_M, count, hidden)
        ref_N = self.known(batch, held_out)
        if self.single:
            return self._judge_single(batch, logps_N, ref_N, held_out)
        lengths_N = torch.bincount(places_M, minlength=count).to(logps_N)
        config, beta = self.config, self.config.beta
        (chosen, rejected), refs, lengths = ((x_N[0::2], x_N[1::2]) for x_N in (logps_N, ref_N, lengths_N))
        if config.loss == "dpo":
            pair_loss = self.model.parts.dpo_loss
            losses = preference.dpo_loss(chosen, rejected, *refs, beta, config.label_smoothing, pair_loss)
            lengths = (torch.ones_like(chosen), torch.ones_like(rejected))  # its rewards are of whole answers
        elif config.loss == "ipo":
            losses = preference.ipo_loss(chosen, rejected, *refs, beta, lengths)
        elif config.loss == "simpo":
            losses = preference.simpo_loss(chosen, rejected, beta, config.gamma, lengths)
        else:
            losses = preference.orpo_loss(chosen, rejected, beta, lengths)
        rewards = (beta * (x - ref) / n for x, ref, n in zip((chosen, rejected), refs, lengths))
        metrics: Metrics = {
            **pair_measures(*rewards),
            "chosen_logp": (chosen.detach().sum(), batch.count),
            "rejected_logp": (rejected.detach().sum(), batch.count),
        }
        return Loss(losses.sum(), batch.count, metrics)

    def _judge_single(self, batch: AnswerBatch, logps_N: Tensor, ref_N: Tensor, held_out: bool) -> Loss:
        """KTO; an answer is on the right side when its reward is, of the reference point."""
        config, good_N = self.config, self.good[held_out][batch.answers_N].to(logps_N.device)
        kl = self._reference_point(batch, held_out)
        weights = (config.good_weight, config.bad_weight)
        losses = preference.kto_loss(logps_N, ref_N, good_N, kl, config.beta, weights)
        rewards_N = config.beta * (logps_N - ref_N).detach()
        ahead_N = torch.where(good_N, 1.0, -1.0) * (rewards_N - config.beta * kl)
        right = (ahead_N > 0).sum() + 0.5 * (ahead_N == 0).sum()
        metrics: Metrics = {"accuracy": (right, batch.count), "kl": (kl * batch.count, batch.count)}
        for name, mine_N in (("chosen", good_N), ("rejected", ~good_N)):
            count = int(mine_N.sum())
            metrics[f"{name}_reward"] = rewards_N[mine_N].sum(), count
            metrics[f"{name}_logp"] = logps_N.detach()[mine_N].sum(), count
        return Loss(losses.sum(), batch.count, metrics)

    @torch.no_grad()
    def _reference_point(self, batch: AnswerBatch, held_out: bool) -> Tensor:
        """How far the model is from its reference on answers to other prompts: over the whole batch, however it was split, so
        that the parts have the gradient of the whole."""
        if batch.point is None:
            total, count = 0.0, 0
            for part in batch.whole:
                assert part.mismatched is not None
                size = len(part.answers_N)
                logps_N = self.logps(part.mismatched, places(part.mismatched, part.per_row_B), size)
                total += float((logps_N - self.known(part, held_out, mismatched=True)).sum())
                count += size
            for part in batch.whole:
                part.point = max(0.0, total / count)
        return torch.tensor(batch.point, device=self.model.device)

    def landmarks(self) -> dict[str, float]:
        """What the loss is while the model is its reference, and prefers nothing."""
        config = self.config
        if config.loss == "dpo":
            return {"indifferent": math.log(2)}
        if config.loss == "ipo":
            return {"indifferent": 1 / (2 * config.beta) ** 2}
        if config.loss == "kto":
            share = float(self.good[0].float().mean())
            return {"indifferent": (share * config.good_weight + (1 - share) * config.bad_weight) / 2}
        return {}


def _good(dataset: Any) -> Tensor:
    """Which answers are good, bool [n]."""
    return torch.from_numpy(dataset.good) if dataset is not None else torch.zeros(0, dtype=torch.bool)
