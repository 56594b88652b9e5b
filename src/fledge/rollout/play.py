"""Episodes from the live weights: every prompt answered several times, all at once, and with tools as many turns as it takes.

What is sampled is what is trained: at a temperature, without any filter, token in and token out. The same weights and the same
seed give the same episodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fledge.data.rows import TaskRow
from fledge.data.turns import Message
from fledge.generate import Completion, Generator, Sampling
from fledge.rewards import Episode
from fledge.rollout.tools import Toolbox, ids_after, results_of

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer

ROWS_AT_A_TIME = 256  # of the generator: its cache holds so many answers


@dataclass(frozen=True)
class Play:
    """How episodes are made.

    Attributes:
        max_new_tokens: of one turn; max_tokens: of prompt and episode together.
        temperature: 0 is greedy. max_turns: of the assistant, when there is a toolbox.
    """

    max_new_tokens: int
    max_tokens: int
    temperature: float = 1.0
    toolbox: Toolbox | None = None
    max_turns: int = 1

    def __call__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        tasks: Sequence[TaskRow],
        prompts: Sequence[list[int]],
        repeats: int,
        seed: int,
    ) -> list[Episode]:
        """`repeats` episodes of every prompt, those of one prompt beside each other."""
        generator = Generator(model, tokenizer, batch_size=ROWS_AT_A_TIME)
        episodes = [
            Episode(task, prompt, group=group)
            for group, (task, prompt) in enumerate(zip(tasks, prompts))
            for _ in range(repeats)
        ]
        going = episodes
        for turn in range(self.max_turns):
            # Those that have no room left end here, unfinished.
            going = [episode for episode in going if self._room(episode) > 0]
            if not going:
                break
            sampling = Sampling(
                max_new_tokens=self.max_new_tokens, temperature=self.temperature, seed=seed + turn * len(episodes)
            )
            completions = generator.generate([episode.prompt + episode.ids for episode in going], sampling)
            going = [
                episode
                for episode, completion in zip(going, completions)
                if self._grow(episode, completion, tokenizer, last=turn + 1 == self.max_turns)
            ]
        return episodes

    def _room(self, episode: Episode) -> int:
        return self.max_tokens - len(episode.prompt) - len(episode.ids)

    def _grow(self, episode: Episode, completion: Completion, tokenizer: Tokenizer, last: bool) -> bool:
        """Add a turn, and what the tools say to it; whether the model is to go on."""
        ids, text = completion.ids, completion.text
        if cut := len(ids) > self._room(episode):
            ids = ids[: self._room(episode)]
            text = tokenizer.decode(ids)
        episode.ids += ids
        episode.chosen += [True] * len(ids)
        episode.logprobs += completion.logprobs[: len(ids)]
        episode.turns.append({"role": "assistant", "content": text})
        episode.finished = completion.finish_reason == "stop" and not cut
        if self.toolbox is None or not episode.finished:
            return False
        results = results_of(text, self.toolbox)
        if not results:
            return False
        episode.finished = False  # it waits for what follows from its call
        return not last and self._hear(episode, results, tokenizer)

    def _hear(self, episode: Episode, results: list[Message], tokenizer: Tokenizer) -> bool:
        """Write what the tools said after the model's turn; whether there is room for it and an answer."""
        heard = ids_after(tokenizer, results)
        if len(heard) >= self._room(episode):
            return False
        episode.ids += heard
        episode.chosen += [False] * len(heard)
        episode.logprobs += [0.0] * len(heard)
        episode.turns += results
        return True
