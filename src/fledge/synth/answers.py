"""Answers to questions: distillation from a model of which only its text is known (sequence-level; Kim & Rush, 2016)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fledge.data.turns import Message
from fledge.endpoint import Endpoint, Failure, Reply, ask_all
from fledge.lang import _
from fledge.synth.quality import wrong_with
from fledge.synth.questions import text_of

Progress = Callable[[int, int], object]


@dataclass
class Harvest:
    """What came of a command: the rows, in the order of the questions, and why others are not among them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def count(self, reply: Reply) -> None:
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens


def quiet(done: int, of: int) -> None:
    pass


def replies(
    endpoint: Endpoint, payloads: Sequence[dict[str, Any]], harvest: Harvest, progress: Progress = quiet
) -> list[Reply | None]:
    """The answer to every question, None where there is none; why is counted in `harvest`."""
    found: list[Reply | None] = [None] * len(payloads)
    for done, (number, answer) in enumerate(ask_all(endpoint, payloads), 1):
        if isinstance(answer, Failure):
            harvest.lost[answer.reason] += 1
        else:
            found[number] = answer
            harvest.count(answer)
        progress(done, len(payloads))
    return found


def answer(
    endpoint: Endpoint,
    questions: Sequence[list[Message]],
    *,
    system: str = "",
    thinking: bool = False,
    harvest: Harvest | None = None,
    progress: Progress = quiet,
) -> Harvest:
    """A row for every question that is answered well. `thinking` keeps what the model thought as `reasoning_content` (a row that
    shows none is left out); `system` goes before every question, and not into the rows."""
    harvest = harvest or Harvest()
    before = [{"role": "system", "content": system}] if system else []
    payloads = [endpoint.payload([*before, *messages]) for messages in questions]
    for messages, reply in zip(questions, replies(endpoint, payloads, harvest, progress)):
        if reply is None:
            continue
        wrong = wrong_with(text_of(messages), reply) or (
            "" if reply.reasoning or not thinking else _("the model showed no thoughts")
        )
        if wrong:
            harvest.lost[wrong] += 1
            continue
        said = {"role": "assistant", "content": reply.text}
        if thinking:
            said["reasoning_content"] = reply.reasoning
        harvest.rows.append({"conversations": [*messages, said]})
    return harvest
