"""What is wrong with an answer that a model wrote: it refuses, copies its question, breaks off, or repeats itself."""

from __future__ import annotations

from fledge.data.clean.answers import bad_answer
from fledge.data.clean.filters import counts_of, repetition, visible
from fledge.endpoint import Reply
from fledge.lang import _


def wrong_with(question: str, reply: Reply) -> str:
    """Why an answer is not kept; "" for a good one."""
    counts = counts_of(reply.text)
    if not visible(counts):
        return _("the answer is empty")
    if reply.finish_reason == "length":
        return _("the answer breaks off: it was longer than it may be")
    asked = [{"role": "user", "content": question}, {"role": "assistant", "content": reply.text}]
    if wrong := bad_answer(asked):
        return wrong
    found = repetition(reply.text, counts)
    return found[0] if found else ""
