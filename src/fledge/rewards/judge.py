"""judge: the grade of a served model, from 0 to 1 (`judge=MODEL`; its address is in FLEDGE_BASE_URL).

A policy finds what a judge likes, right or wrong: put a rule beside it (`judge:0.5 format:0.2 repetition:0.3`), and read
the answers. An answer that the judge gives no grade, or that it is too late for, is worth nothing this time; when more than
half are without one, the run stops instead of learning from silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fledge.endpoint import Endpoint
from fledge.endpoint.judge import judge_answers
from fledge.errors import UserError
from fledge.lang import _
from fledge.rewards.episode import Episode

LEAST, MOST = 1.0, 10.0  # of the judge's scale


class Judge:
    name = "judge"

    def __init__(self, endpoint: Endpoint):
        endpoint.address()  # says at once that there is none
        self.endpoint = endpoint

    def __call__(self, episodes: Sequence[Episode]) -> list[float]:
        """Every episode's answer, graded; equal ones are asked once, and none that was graded before."""
        asked = [(_question(episode), episode.answer) for episode in episodes]
        grades, why = [0.0] * len(episodes), ""
        unread = 0
        spoken = [number for number, (_text, answer) in enumerate(asked) if answer]  # silence needs no judge
        for place, grade, reason in judge_answers(self.endpoint, [asked[number] for number in spoken]):
            if grade is None:
                unread, why = unread + 1, reason
            else:
                grades[spoken[place]] = (grade - LEAST) / (MOST - LEAST)
        if unread > len(spoken) / 2:
            raise UserError(
                _("the judge gave no grade to {unread} of {count} answers ({why}): see to it, and go on.").format(
                    unread=unread, count=len(spoken), why=why
                )
            )
        return grades


def _question(episode: Episode) -> str:
    return "\n\n".join(str(turn["content"]) for turn in episode.task.messages if turn["role"] != "system")


def make(argument: str, model: Any, tokenizer: Any) -> Judge:
    return Judge(Endpoint(api_model=argument, temperature=0.0))
