"""Tiny training runs, sound ones and ones that are broken in one particular way, for the tests of `fledge runs check`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from fledge.api import train
from fledge.data import batches, writers
from fledge.errors import UserError
from fledge.jobs import runner as jobs
from fledge.jobs.language import LanguageModeling
from fledge.model.folder import load_model
from fledge.model.transformer import Transformer
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training.objective import Loss
from fledge.world import World
from fledge.world.chat import conversations
from fledge.world.stats import floor
from fledge.world.text import documents

SHAPE = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32,
}  # fmt: skip
VOCAB = 512


class Lab:
    """The tiny world's text and conversations (or, for pretraining, `rows` of other text), a tokenizer (that saw `also`, too),
    and runs on them by name, each made once."""

    def __init__(self, folder: Path, seed: int = 0, rows: list[str] | None = None, also: Sequence[str] = ()) -> None:
        world = World.build("tiny", seed)
        held_out = list(documents(world, 150, split="validation"))
        self.texts = rows[30:] if rows else [document.text for document in documents(world, num_bytes=150_000)]
        self.val = rows[:30] if rows else [document.text for document in held_out]
        self.landmarks = {} if rows else {"floor": floor(held_out).total.floor}
        self.chats = list(conversations(world, 1500))
        chats = ["\n".join(message["content"] for message in row["conversations"]) for row in self.chats[:500]]
        self.tokenizer = str(folder / "tokenizer")
        Tokenizer.train([*self.texts, *chats, *also], VOCAB).save(self.tokenizer)
        self.sound = self.pretrain("sound", seed=seed)

    def pretrain(self, name: str, **changes: Any) -> Run:
        """120 steps on 90,000 tokens: a third of the way beyond the table of pairs, in three seconds."""
        settings: dict[str, Any] = {
            "rows": self.texts, "val_rows": self.val, "landmarks": self.landmarks, "tokenizer": self.tokenizer,
            "preset": "cpu-2m", "set": SHAPE, "steps": 120, "seq_len": 64, "batch_size": 12,
        }  # fmt: skip
        return self.run("pretrain", name, settings | changes)

    def sft(self, name: str, **changes: Any) -> Run:
        settings = {
            "rows": self.chats[60:], "val_rows": self.chats[:60], "model": "sound", "steps": 120, "seq_len": 128,
            "batch_size": 8,
        }  # fmt: skip
        return self.run("sft", name, settings | changes)

    def run(self, job: str, name: str, settings: dict[str, Any]) -> Run:
        with contextlib.suppress(UserError):  # the loop stops at NaN; its record stays
            train(job, run=name, **{"val_tokens": 3000, "precision": "fp32"} | settings)
        return Run.open(name)

    def broken(self, way: Way, name: str, **changes: Any) -> Run:
        """A run that is broken in that way, with `changes` of its settings beside."""
        settings = way.changes | changes
        if way.prepares:  # prepared anew: the cache knows the sound rows
            rows = self.texts if way.job == "pretrain" else self.chats
            settings |= {"rows": rows[70:], "val_rows": rows[:70]}
        with way.breaks():
            return (self.pretrain if way.job == "pretrain" else self.sft)(name, **settings)


@dataclass(frozen=True)
class Way:
    """How a run is broken (a context to train it in, or changed settings), the finding that is right, and words of it.

    steps_fixed: another length would break it otherwise; prepares: it is the preparing of the data that is broken.
    """

    breaks: Callable[[], Any]
    job: str
    changes: dict[str, Any]
    finding: str
    words: str
    steps_fixed: bool = False
    prepares: bool = False


def targets(change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Every batch, of training and of validation, gets the targets `change(targets_BT)`."""
    build = batches.build_batch

    def broken(*args: Any, **kwargs: Any) -> batches.TokenBatch:
        batch = build(*args, **kwargs)
        batch.targets_BT = change(batch.targets_BT)
        batch.count = int((batch.targets_BT != batches.IGNORE).sum())
        return batch

    return mock.patch.object(batches, "build_batch", broken)


def shifted(places: int) -> Any:
    """Labels that are `places` too far on (or, below 0, back): -1 is the current token."""

    def change(targets_BT: torch.Tensor) -> torch.Tensor:
        moved_BT = torch.full_like(targets_BT, batches.IGNORE)
        if places > 0:
            moved_BT[:, :-places] = targets_BT[:, places:]
        else:
            moved_BT[:, -places:] = targets_BT[:, :places]
        return moved_BT

    return targets(change)


def shuffled() -> Any:
    """Labels of other positions."""

    def change(targets_BT: torch.Tensor) -> torch.Tensor:
        learnt = targets_BT != batches.IGNORE
        values = targets_BT[learnt]
        targets_BT[learnt] = values[torch.randperm(len(values))]
        return targets_BT

    return targets(change)


def no_causal_mask() -> Any:
    """Attention over the whole of every document."""

    def mask(self: Transformer, ids_BT: torch.Tensor, segments_BT: Any, window: int | None, dtype: torch.dtype) -> Any:
        segments_BT = torch.zeros_like(ids_BT) if segments_BT is None else segments_BT
        other = segments_BT[:, :, None] != segments_BT[:, None, :]
        return torch.zeros((), dtype=dtype).masked_fill(other, float("-inf"))[:, None]

    return mock.patch.object(Transformer, "_mask", mask)


def large_weights() -> Any:
    """A head of standard deviation 0.5 where new ones begin at 0."""
    init = Transformer.init_weights

    def broken(self: Transformer, seed: int) -> Transformer:
        init(self, seed)
        with torch.no_grad():
            self.lm_head.weight.normal_(0, 0.5, generator=torch.Generator().manual_seed(seed))
        return self

    return mock.patch.object(Transformer, "init_weights", broken)


def weights_not_loaded() -> Any:
    """The right shape, and new weights in it, as `strict=False` leaves a model whose names do not match."""
    return mock.patch.object(jobs, "load_model", lambda *args, **kwargs: load_model(*args, **kwargs).init_weights(1))


def prompts_count() -> Any:
    """Every token of a conversation is a target."""
    render = Tokenizer.render_ids_batch

    def broken(self: Tokenizer, *args: Any, **kwargs: Any) -> list[tuple[list[int], list[bool]]]:
        return [(ids, [True] * len(ids)) for ids, _ in render(self, *args, **kwargs)]

    return mock.patch.object(Tokenizer, "render_ids_batch", broken)


def doubled_bos() -> Any:
    """<|endoftext|> before every text, where `prepare` puts one already."""
    encode = writers.encode_texts

    def broken(tokenizer: Tokenizer, texts: list[str]) -> list[np.ndarray]:
        first = np.array([tokenizer.endoftext_id], np.uint32)
        return [np.concatenate([first, ids]) for ids in encode(tokenizer, texts)]

    return mock.patch.object(writers, "encode_texts", broken)


@contextlib.contextmanager
def nan_after(step: int) -> Iterator[None]:
    """The training loss is NaN from that step on."""
    compute, calls = LanguageModeling.loss, iter(range(10**9))

    def broken(self: LanguageModeling, batch: batches.TokenBatch) -> Loss:
        loss = compute(self, batch)
        return Loss(loss.sum * float("nan"), loss.count) if next(calls) >= step else loss

    with mock.patch.object(LanguageModeling, "loss", broken):
        yield


MUON = {"lr": 2.5, "embed_lr": 30.0, "head_lr": 1.0, "norm_lr": 0.4}
WEAK = {name: rate / 10_000 for name, rate in MUON.items()}
NOTHING = contextlib.nullcontext
WAYS = {
    "every rate 100 times too high": Way(NOTHING, "pretrain", MUON, "lr_too_high", "too high"),
    "only --lr 100 times too high": Way(NOTHING, "pretrain", {"lr": 2.5}, "lr_too_high", "too high"),
    "AdamW at Muon's rate times 40": Way(NOTHING, "pretrain", {"optimizer": "adamw", "lr": 1.0}, "lr_too_high", "too high"),
    "every rate 100 times too low": Way(NOTHING, "pretrain", WEAK, "lr_too_low", "hardly moves"),
    "only --lr 100 times too low": Way(NOTHING, "pretrain", {"lr": 2.5e-4}, "lr_too_low", "body"),
    "labels one place too far": Way(lambda: shifted(1), "pretrain", {}, "labels_shifted", "after the next"),
    "labels are the inputs": Way(lambda: shifted(-1), "pretrain", {}, "sees_the_answer", "current input"),
    "labels from the past": Way(lambda: shifted(-2), "pretrain", {}, "sees_the_answer", "sees the answer"),
    "no causal mask": Way(no_causal_mask, "pretrain", {}, "sees_the_answer", "look ahead"),
    "labels of other rows": Way(shuffled, "pretrain", {}, "labels_shifted", "do not belong"),
    "too few tokens": Way(NOTHING, "pretrain", {"steps": 25}, "too_few_tokens", "falling", steps_fixed=True),
    "NaN": Way(lambda: nan_after(15), "pretrain", {"steps": 30}, "nan", "NaN", steps_fixed=True),
    "nothing loaded": Way(weights_not_loaded, "sft", {"steps": 30}, "nothing_loaded", "not loaded", steps_fixed=True),
    "large initial weights": Way(large_weights, "pretrain", {}, "bad_start", "too large"),
    "prompts count": Way(prompts_count, "sft", {}, "loss_on_the_prompt", "prompts", prepares=True),
    "BOS twice": Way(doubled_bos, "pretrain", {}, "doubled_bos", "twice", prepares=True),
}  # fmt: skip
