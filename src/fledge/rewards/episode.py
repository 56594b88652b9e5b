"""An episode: a prompt and everything that came of it, kept as the tokens that the model really chose."""

from __future__ import annotations

from dataclasses import dataclass, field

from fledge.data.rows import TaskRow
from fledge.data.turns import Message


@dataclass
class Episode:
    """One attempt at a task. Token in, token out: `ids` are never decoded and encoded again.

    Attributes:
        task: what was asked (`task.messages`) and what a verifier needs.
        prompt: its ids, up to the header of the assistant's turn.
        ids: what followed: the model's tokens and, between its turns, what tools and the template wrote.
        chosen: for each of `ids`, whether the model chose it; only these are trained.
        logprobs: for each of `ids`, its log-probability in nats when it was chosen, at the sampling temperature; 0 for the others.
        turns: the same as messages: the assistant's turns with its tool calls, and the tools' results between them.
        finished: the model ended its last turn by itself, within its room.
        group: number of the prompt in the rollout; the episodes of one group are answers to the same prompt.
    """

    task: TaskRow
    prompt: list[int]
    ids: list[int] = field(default_factory=list)
    chosen: list[bool] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    turns: list[Message] = field(default_factory=list)
    finished: bool = False
    group: int = 0

    @property
    def text(self) -> str:
        """The final answer: what the assistant's last turn says, control tokens left out."""
        return self.turns[-1]["content"] if self.turns and self.turns[-1]["role"] == "assistant" else ""

    @property
    def answer(self) -> str:
        """The final answer without what was thought before it (`<think>…</think>`)."""
        return self.text.rpartition("</think>")[2].strip()

    @property
    def num_chosen(self) -> int:
        """Tokens that the model wrote."""
        return sum(self.chosen)
