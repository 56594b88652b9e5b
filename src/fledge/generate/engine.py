"""The generator: prefill once, then one step per token for the whole batch: run → sample → who is done.

What is special: the same weights object serves chat, evaluation and reinforcement learning, so there is nothing to
synchronise; log-probabilities come from the logits that were sampled from; a prompt that occurs n times is read once;
a row that ends leaves the batch at once, so the rest runs faster.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from fledge.errors import UserError
from fledge.generate.beam import beam_search
from fledge.generate.cache import StaticCache
from fledge.generate.sampler import next_token
from fledge.generate.sampling import Completion, Sampling
from fledge.lang import _

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer


class Row:
    """One prompt on its way: all the state that a request has outside the cache."""

    def __init__(self, index: int, prompt: list[int], room: int) -> None:
        self.index, self.prompt, self.room = index, prompt, room
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.text = bytearray()  # of the answer so far; bytes, because a character may span tokens
        self.finish_reason: Literal["stop", "length"] | None = None

    def completion(self) -> Completion:
        assert self.finish_reason is not None
        return Completion(self.ids, self.logprobs, self.text.decode("utf-8", "replace"), self.finish_reason)


class Generator:
    """Batched generation with `model` (`hidden`, `head`, `config`, `end_ids`, the cache protocol) and its tokenizer.

    An answer ends at an end token (the tokenizer's and those that the model's folder lists), at a stop string, at
    `max_new_tokens`, or at the end of the context. At most `batch_size` prompts run at a time.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, *, batch_size: int = 64) -> None:
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.stop_ids = frozenset((tokenizer.im_end_id, tokenizer.endoftext_id)) | model.end_ids
        self._token_bytes = lru_cache(maxsize=None)(self._bytes_of)

    def generate(
        self,
        prompts: list[list[int]],
        sampling: Sampling,
        on_token: Callable[[int, int], None] | None = None,
    ) -> list[Completion]:
        """Answer every prompt (token ids; lengths may differ), calling `on_token(prompt index, token id)` as they come.

        A greedy answer is the same as when its prompt is asked alone, and so is a sampled one with its seed (`seed +
        index`). UserError: a prompt that is empty or fills the context.
        """
        if sampling.num_beams > 1:
            return [self._beams(prompt, sampling, index, on_token) for index, prompt in enumerate(prompts)]
        seed = _seed(sampling)
        rows = [Row(i, prompt, self._room(prompt, sampling)) for i, prompt in enumerate(prompts)]
        by_length = sorted(rows, key=lambda row: len(row.prompt))  # neighbours of one length waste no padding
        for start in range(0, len(rows), self.batch_size):
            for alive in self._steps(by_length[start : start + self.batch_size], sampling, seed):
                if on_token is not None:
                    for row in alive:
                        on_token(row.index, row.ids[-1])
        return [row.completion() for row in rows]

    def stream(self, prompt: list[int], sampling: Sampling) -> Iterator[str]:
        """Yield the answer piece by piece, never half a character nor the beginning of a stop string.

        The pieces joined are `Completion.text`.
        """
        if sampling.num_beams > 1:
            yield self._beams(prompt, sampling, 0, None).text
            return
        row = Row(0, prompt, self._room(prompt, sampling))
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        stops = [stop.encode() for stop in sampling.stop]
        sent = 0
        for _ in self._steps([row], sampling, _seed(sampling)):
            done = row.finish_reason is not None
            ready = len(row.text) - (0 if done else _held_back(row.text, stops))
            if piece := decoder.decode(bytes(row.text[sent:ready]), final=done):
                yield piece
            sent = ready

    @torch.inference_mode()
    def _steps(self, rows: list[Row], sampling: Sampling, seed: int) -> Iterator[list[Row]]:
        """Decode `rows` together; after every step yield those that got a token. The list shrinks as rows finish."""
        was_training = self.model.training
        self.model.eval()
        try:
            stops = [stop.encode() for stop in sampling.stop]
            cache, logits_BV = self._prefill(rows)
            device = logits_BV.device
            uniform_BN = _uniforms(rows, seed).to(device) if sampling.temperature > 0 else None
            seen_BV = _seen(rows, logits_BV) if sampling.repetition_penalty != 1 else None
            step = 0
            while True:
                uniform_B = None if uniform_BN is None else uniform_BN[:, step]
                ids_B, logprobs_B = next_token(logits_BV, sampling, uniform_B, seen_BV, self.model.parts)
                for row, token, logprob in zip(rows, ids_B.tolist(), logprobs_B.tolist()):
                    self._append(row, token, logprob, stops)
                yield rows
                keep = _without_holes([row.finish_reason is None for row in rows])
                if not keep:
                    return
                if len(keep) < len(rows):
                    rows = [rows[i] for i in keep]
                    cache.select(keep)
                    keep_K = torch.tensor(keep, device=device)
                    ids_B = ids_B[keep_K]
                    uniform_BN = None if uniform_BN is None else uniform_BN[keep_K]
                    seen_BV = None if seen_BV is None else seen_BV[keep_K]
                if seen_BV is not None:
                    seen_BV.scatter_(1, ids_B[:, None], True)
                positions_B1 = torch.tensor(cache.lengths, device=device)[:, None]
                x_B1D = self.model.hidden(ids_B[:, None], positions_BT=positions_B1, cache=cache)
                logits_BV = self.model.head(x_B1D)[:, 0].float()
                step += 1
        finally:
            self.model.train(was_training)

    def _prefill(self, rows: list[Row]) -> tuple[StaticCache, Tensor]:
        """Read all prompts in one pass; return the cache and the logits of every row's first new token."""
        distinct = {tuple(row.prompt): None for row in rows}
        prompts = list(distinct)
        place = {prompt: i for i, prompt in enumerate(prompts)}
        device = next(self.model.parameters()).device
        lengths = [len(prompt) for prompt in prompts]
        longest = max(lengths)
        ids_PT = torch.tensor([[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts], device=device)
        # the last token of an answer is never fed back, so it needs no slot
        max_len = max(len(row.prompt) + row.room for row in rows) - 1
        cache = StaticCache(self.model.config, len(rows), max_len)
        positions_PT = torch.arange(longest, device=device).expand(len(prompts), -1)
        x_PTD = self.model.hidden(ids_PT, positions_BT=positions_PT, cache=cache)
        cache.truncate(lengths)
        last_PD = x_PTD[torch.arange(len(prompts)), torch.tensor(lengths) - 1]
        logits_PV = self.model.head(last_PD[:, None])[:, 0].float()  # the head for one position a row, not for T
        row_of = [place[tuple(row.prompt)] for row in rows]
        cache.select(row_of)
        return cache, logits_PV[torch.tensor(row_of, device=device)]

    def _append(self, row: Row, token: int, logprob: float, stops: list[bytes]) -> None:
        """Give the row its token and see whether that ends it."""
        row.ids.append(token)
        row.logprobs.append(logprob)
        if token in self.stop_ids:
            row.finish_reason = "stop"
            return
        new = self._token_bytes(token)
        row.text += new
        found = [at for stop in stops if (at := row.text.find(stop, max(0, len(row.text) - len(new) - len(stop)))) >= 0]
        if found:
            del row.text[min(found) :]
            row.finish_reason = "stop"
        elif len(row.ids) == row.room:
            row.finish_reason = "length"

    def _beams(
        self, prompt: list[int], sampling: Sampling, index: int, on_token: Callable[[int, int], None] | None
    ) -> Completion:
        row = Row(index, prompt, self._room(prompt, sampling))
        ids, logprobs = beam_search(
            self.model, prompt, self.stop_ids, row.room, sampling.num_beams, sampling.length_penalty
        )
        for token, logprob in zip(ids, logprobs):
            self._append(row, token, logprob, [])
            if on_token is not None:
                on_token(index, token)
        return row.completion()

    def _room(self, prompt: list[int], sampling: Sampling) -> int:
        """How many tokens this prompt may be answered with."""
        context = self.model.config.max_position_embeddings
        if not prompt:
            raise UserError(_("The prompt has no tokens: give at least one (a text starts with <|endoftext|>)."))
        if len(prompt) >= context:
            raise UserError(
                _(
                    "The prompt is {length} tokens long, and the model's context of {context} leaves no room for an "
                    "answer: shorten the prompt, or take a model with a longer context."
                ).format(length=len(prompt), context=context)
            )
        return min(sampling.max_new_tokens, context - len(prompt))

    def _bytes_of(self, token: int) -> bytes:
        # a model's vocabulary may be padded beyond its tokenizer's
        return self.tokenizer.token_bytes(token) if token < self.tokenizer.vocab_size else b""


def _seed(sampling: Sampling) -> int:
    """The base seed; drawn from torch's global generator when none is given, so that `torch.manual_seed` fixes it."""
    return int(torch.randint(2**48, ())) if sampling.seed is None else sampling.seed


def _uniforms(rows: list[Row], seed: int) -> Tensor:
    """[B, N] numbers in [0, 1): row i has its own stream, the same on every device and in every batch."""
    longest = max(row.room for row in rows)
    streams = [torch.rand(longest, generator=torch.Generator().manual_seed(seed + row.index)) for row in rows]
    return torch.stack(streams)


def _seen(rows: list[Row], logits_BV: Tensor) -> Tensor:
    """Bool [B, V]: the tokens of each prompt."""
    seen_BV = torch.zeros_like(logits_BV, dtype=torch.bool)
    for i, row in enumerate(rows):
        seen_BV[i, torch.tensor(row.prompt, device=seen_BV.device)] = True
    return seen_BV


def _without_holes(alive: list[bool]) -> list[int]:
    """Rows to keep, as places for `select`: survivors stay where they are, and those at the end fill the holes."""
    keep = [i for i, ok in enumerate(alive) if ok]
    stay = [i for i in keep if i < len(keep)]
    fill = iter(keep[len(stay) :])
    return [i if alive[i] else next(fill) for i in range(len(keep))]


def _held_back(text: bytearray, stops: list[bytes]) -> int:
    """How many bytes at the end may turn out to be the beginning of a stop string."""
    return max((n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
