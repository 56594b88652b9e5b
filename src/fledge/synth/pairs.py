"""Preference pairs that a judge orders: two answers to a question, and which is better by a verdict that holds in both orders."""

from __future__ import annotations

from collections.abc import Sequence

from fledge.data.turns import Message
from fledge.endpoint import Endpoint
from fledge.endpoint.judge import Agreement, Verdict, agreement, judge_pairs
from fledge.lang import _
from fledge.synth.answers import Harvest, Progress, quiet, replies
from fledge.synth.questions import text_of


def preference_pairs(
    writer: Endpoint,
    judge: Endpoint,
    questions: Sequence[list[Message]],
    *,
    seed: int = 0,
    progress: Progress = quiet,
) -> tuple[Harvest, Agreement]:
    """Rows of `{chosen, rejected}` (MiniMind's schema, which DPO reads), and how far the judge can be trusted.

    Two answers are sampled to every question; equal ones, and pairs on which the judge is not of one mind, make no row.
    """
    harvest = Harvest()
    payloads = [writer.payload(messages, seed=2 * seed + side) for messages in questions for side in (0, 1)]
    found = replies(writer, payloads, harvest, progress)
    asked: list[tuple[list[Message], str, str]] = []
    for number, messages in enumerate(questions):
        first, second = found[2 * number : 2 * number + 2]
        if first is None or second is None:
            continue
        if not first.text.strip() or not second.text.strip():
            harvest.lost[_("an answer is empty")] += 1
        elif first.text.strip() == second.text.strip():
            harvest.lost[_("both answers are the same")] += 1
        else:
            asked.append((messages, first.text, second.text))
    verdicts: dict[int, Verdict] = {}
    for number, verdict in judge_pairs(judge, [(text_of(messages), a, b) for messages, a, b in asked]):
        verdicts[number] = verdict
        progress(len(verdicts), len(asked))
    for number, (messages, a, b) in enumerate(asked):
        verdict = verdicts[number]
        if verdict.winner in ("a", "b"):
            chosen, rejected = (a, b) if verdict.winner == "a" else (b, a)
            sides = [[*messages, {"role": "assistant", "content": text}] for text in (chosen, rejected)]
            harvest.rows.append({"chosen": sides[0], "rejected": sides[1]})
        else:
            harvest.lost[verdict.reason or _("the judge sees a tie, or changes its mind with the order")] += 1
    return harvest, agreement([verdicts[number] for number in range(len(asked))])
