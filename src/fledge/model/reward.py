"""A reward model: a Transformer with one number for a head, which says how good the answer is that a token ends.

Its folder is that of Hugging Face's `…ForSequenceClassification` with one label: transformers and TRL load it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fledge.errors import UserError
from fledge.lang import _
from fledge.model.config import ARCHITECTURES, ModelConfig
from fledge.model.folder import assign_weights, is_reward_model
from fledge.model.layers import Linear
from fledge.model.source import find_model
from fledge.model.transformer import Transformer
from fledge.model.weights import read_weights
from fledge.parts import REFERENCE, Parts
from fledge.tokenizer import Tokenizer

TOKENS_A_BATCH = 8192
Messages = list[dict[str, Any]]


class RewardTransformer(Transformer):
    """A body and a head of one row, `score`, which is Hugging Face's name of it."""

    def _make_head(self, config: ModelConfig) -> None:
        self.score = Linear(config.hidden_size, 1, bias=False)

    def tie_head(self) -> None:
        """There is no head over the vocabulary."""

    @classmethod
    def of(cls, model: Transformer) -> RewardTransformer:
        """One with the body of `model` (shared, not copied) and a head of zeros: all answers are equally good."""
        with torch.device("meta"):
            made = cls(model.config, model.parts)
        made.model = model.model
        made.score = Linear(model.config.hidden_size, 1, bias=False)
        torch.nn.init.zeros_(made.score.weight)
        made.register_buffer("inv_freq", model.inv_freq, persistent=False)
        made.register_buffer("local_inv_freq", model.local_inv_freq, persistent=False)
        made.compute_dtype, made.checkpoint_activations = model.compute_dtype, model.checkpoint_activations
        return made.to(model.device)

    def rewards(self, hidden_ND: Tensor) -> Tensor:
        """Final hidden states of the last tokens of N answers -> their rewards, fp32 [N]."""
        return self.score(hidden_ND.float()).squeeze(-1)  # type: ignore[no-any-return]

    @property
    def lm_head(self) -> Linear:  # type: ignore[override]
        """The head, as the optimizer looks for it."""
        return self.score

    def folder_config(self) -> dict[str, Any]:
        name = ARCHITECTURES[self.config.model_type].replace("ForCausalLM", "ForSequenceClassification")
        return {"architectures": [name], "num_labels": 1, "id2label": {"0": "reward"}, "label2id": {"reward": 0}}


class RewardModel:
    """A trained reward model with its tokenizer."""

    def __init__(self, model: RewardTransformer, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        parts: Parts = REFERENCE,
    ) -> RewardModel:
        """Load a run of `fledge train reward` by name, or a model folder. UserError for a model that writes text."""
        folder = find_model(source)
        config = ModelConfig.load(folder)
        if not is_reward_model(folder):
            raise UserError(
                _(
                    "{folder} holds a model that writes text and gives no rewards: train one with `fledge train reward`."
                ).format(folder=folder)
            )
        with torch.device("meta"):
            model = RewardTransformer(config, parts)
        assign_weights(model, read_weights(folder), str(folder), dtype)
        model.set_frequencies()  # meta has no numbers
        model.compute_dtype = dtype
        return cls(model.to(device).eval(), Tokenizer.load(folder))

    def score(self, messages: Messages, *, tools: list[dict] | None = None) -> float:
        """The reward of the last answer of a conversation (a list of {"role", "content"}). Only differences mean something."""
        return self.scores([messages], tools=[tools])[0]

    def scores(self, conversations: Sequence[Messages], *, tools: Sequence[Any] | None = None) -> list[float]:
        """`score` of many conversations, in batches of about one length. UserError when one has no answer or is too long."""
        read = [_up_to_the_answer(*found) for found in self.tokenizer.render_ids_batch(conversations, tools=tools)]
        for number, ids in enumerate(read, 1):
            _check(number, ids, self.model.config.max_position_embeddings)
        return self.scores_of_ids(read)

    @torch.inference_mode()
    def scores_of_ids(self, read: Sequence[list[int]]) -> list[float]:
        """The reward at the last token of each row of ids, in batches of about one length."""
        rewards = [0.0] * len(read)
        order = sorted(range(len(read)), key=lambda i: len(read[i]))
        while order:
            rows = max(1, TOKENS_A_BATCH // len(read[order[-1]]))
            batch, order = order[-rows:], order[:-rows]
            for i, reward in zip(batch, self._read([read[i] for i in batch])):
                rewards[i] = reward
        return rewards

    def _read(self, batch: list[list[int]]) -> list[float]:
        device, longest = self.model.device, max(map(len, batch))
        ids_BT = torch.zeros(len(batch), longest, dtype=torch.long)
        for row, ids in enumerate(batch):
            ids_BT[row, : len(ids)] = torch.tensor(ids)  # what is behind an answer is not seen from it
        ends = torch.tensor([len(ids) - 1 for ids in batch], device=device)
        hidden_BTD = self.model.hidden(ids_BT.to(device))
        return self.model.rewards(hidden_BTD[torch.arange(len(batch), device=device), ends]).tolist()


def _up_to_the_answer(ids: list[int], mask: list[bool]) -> list[int]:
    """The conversation up to the last token of its last answer; [] when it has none."""
    ends = [i for i, learned in enumerate(mask) if learned]
    return ids[: ends[-1] + 1] if ends else []


def _check(number: int, ids: list[int], longest: int) -> None:
    if not ids:
        raise UserError(
            _("conversation {number} has no answer to be scored: end it with an assistant's message.").format(
                number=number
            )
        )
    if len(ids) > longest:
        raise UserError(
            _("conversation {number} has {length} tokens, and the reward model reads {longest}: shorten it.").format(
                number=number, length=len(ids), longest=longest
            )
        )
