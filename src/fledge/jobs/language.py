"""The language-model objective: predict the next token. Pretraining and SFT differ only in their rows and masks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from fledge.data import Dataset, Mixture, PackedBatches, TokenBatch, eval_batches
from fledge.data.batches import IGNORE
from fledge.model.router import router_balance
from fledge.model.transformer import Transformer
from fledge.training.config import TrainConfig
from fledge.training.length import Length, length_of
from fledge.training.losses import linear_cross_entropy, token_nll
from fledge.training.objective import Loss, Metrics


class LanguageModeling:
    """Next-token prediction on packed rows; of the batches a share may replay other rows.

    `hidden` may be a compiled stand-in for `model.hidden`.
    """

    def __init__(
        self,
        model: Transformer,
        rows: PackedBatches,
        val: Dataset | None,
        *,
        replay: PackedBatches | None = None,
        replay_share: float = 0.0,
        sampler: Callable[[], list[dict[str, str]]] = list,
        landmarks: dict[str, Any] | None = None,
        hidden: Callable[..., Tensor] | None = None,
    ):
        self.model, self.rows, self.replay, self.replay_share = model, rows, replay, replay_share
        self.batches = rows if replay is None else Mixture(rows, replay, replay_share)
        self.train, self.val = rows.dataset, val
        self.sample = sampler
        self._landmarks = landmarks or {}
        self.hidden = hidden or model.hidden

    def length(self, config: TrainConfig) -> Length:
        own = 1 - self.replay_share  # the other rows of a step are replayed
        return length_of(config, self.rows.rows_per_epoch, own)

    def loss(self, batch: TokenBatch) -> Loss:
        """Sum of -log p over the batch's targets, plus the load-balance loss of a mixture of experts."""
        hidden_BTD, balance, metrics = self.read(batch)
        total = linear_cross_entropy(hidden_BTD, self.model.lm_head.weight, batch.targets_BT, self.model.parts)
        return Loss(total + balance, batch.count, metrics)

    def read(self, batch: TokenBatch) -> tuple[Tensor, Tensor | float, Metrics]:
        """(the model's last hidden states, the load-balance loss of a mixture of experts summed over targets, its metric)."""
        device, config = self.model.device, self.model.config
        router: list[Tensor] | None = [] if config.model_type == "qwen3_moe" else None
        hidden_BTD = self.hidden(**model_inputs(batch, device), router_logits=router)
        if not router:
            return hidden_BTD, 0.0, {}
        real_BT = torch.ones_like(batch.inputs_BT, dtype=torch.bool) if batch.real_BT is None else batch.real_BT
        balance_B = router_balance(router, config.num_experts_per_tok, real_BT.to(device))
        balance = (balance_B * (batch.targets_BT != IGNORE).sum(1).to(device)).sum()  # a row counts as its targets do
        return hidden_BTD, config.router_aux_loss_coef * balance, {"load_balance": (balance.detach(), batch.count)}

    def held_out(self, max_tokens: int | None, splits: int = 1) -> Iterator[TokenBatch]:
        """The validation rows, or an evenly drawn part of about `max_tokens`; none when nothing is held out."""
        if self.val is not None:
            batch_size = max(1, self.rows.batch_size // splits)
            yield from eval_batches(self.val, self.rows.seq_len, batch_size, max_tokens, self.rows.pad_id)

    @torch.no_grad()
    def validate(self, max_tokens: int | None, splits: int = 1) -> dict[str, Any]:
        """val_loss (nats per token), val_bpb (bits per UTF-8 byte of the targets), and the same by kind of span."""
        if self.val is None:
            return {}
        device = self.model.device
        kinds = self.val.tag_names
        nats, size = torch.zeros(len(kinds), dtype=torch.float64), torch.zeros(len(kinds), dtype=torch.float64)
        lengths = torch.from_numpy(self.val.byte_lengths.astype("int64"))
        count = 0
        for batch in self.held_out(max_tokens, splits):
            hidden_BTD = self.model.hidden(**model_inputs(batch, device))
            nll_BT = token_nll(hidden_BTD, self.model.lm_head.weight, batch.targets_BT.to(device)).cpu().double()
            learnt = batch.targets_BT != -100
            tags = (torch.zeros_like(batch.targets_BT) if batch.tags_BT is None else batch.tags_BT.long())[learnt]
            nats.index_add_(0, tags, nll_BT[learnt])
            size.index_add_(0, tags, lengths[batch.targets_BT[learnt]].double())
            count += batch.count
        bits = nats / math.log(2)
        measures: dict[str, Any] = {
            "val_loss": (nats.sum() / count).item(),
            "val_bpb": (bits.sum() / size.sum()).item(),
        }
        if len(kinds) > 1:
            measures["val_bits_by_kind"] = {
                kind: (bits[i] / size[i]).item() for i, kind in enumerate(kinds) if size[i] > 0
            }
        return measures

    def landmarks(self) -> dict[str, Any]:
        """start: the loss of a model that knows nothing (ln V, nats per token); floor: what nothing can beat (bits per byte)."""
        return {"start": math.log(self.model.config.vocab_size)} | self._landmarks

    def describe(self) -> dict[str, Any]:
        return {
            "train": self.train.describe(),
            "val": self.val.describe() if self.val else None,
            "replay": self.replay.dataset.describe() if self.replay else None,
            "batches": self.batches.report(),
        }


def model_inputs(batch: TokenBatch, device: torch.device) -> dict[str, Any]:
    """What `Transformer.forward` and `.hidden` take of a batch, on the device."""
    packed = batch.segments_BT is not None
    return {
        "ids_BT": batch.inputs_BT.to(device, non_blocking=True),
        "positions_BT": batch.positions_BT.to(device, non_blocking=True) if packed else None,
        "segments_BT": batch.segments_BT.to(device, non_blocking=True) if packed else None,  # type: ignore[union-attr]
    }
