"""What is wrong with an answer that a model wrote: it refuses, copies its question, breaks off, or repeats itself."""

from __future__ import annotations

import re

from fledge.data.clean.filters import counts_of, repetition, visible
from fledge.endpoint import Reply
from fledge.lang import _
from fledge.synth.similar import rouge_l, units

_REFUSES = re.compile(
    r"^\W*(?:(?:i[’']?m|i am) (?:really |very )?sorry|sorry,? (?:but )?(?:i|as)\b"
    r"|i (?:can(?:no|['’]?)t|am unable to|am not able to|won['’]t) |as an ai\b|unfortunately,? i (?:can|am)"
    r"|(?:很|非常)?抱歉|对不起|作为(?:一个|一名)?(?:ai|人工智能|语言模型)|我(?:无法|不能)(?:回答|提供|帮|满足|协助))",
    re.I,
)
REFUSAL = 400  # visible characters: a longer text that begins so goes on to answer
COPY = 0.9  # ROUGE-L with the question


def refuses(text: str) -> bool:
    """Whether an answer is, by how it begins, that it will not answer."""
    return bool(_REFUSES.match(text)) and visible(counts_of(text)) <= REFUSAL


def wrong_with(question: str, reply: Reply, least: int = 1) -> str:
    """Why an answer is not kept; "" for a good one. `least`: visible characters."""
    text = reply.text
    counts = counts_of(text)
    if visible(counts) < max(1, least):
        return _("the answer is empty or too short")
    if reply.finish_reason == "length":
        return _("the answer breaks off: it was longer than it may be")
    if refuses(text):
        return _("the answer refuses")
    if len(units(question)) > 3 and rouge_l(units(question), units(text)) >= COPY:
        return _("the answer copies the question")
    found = repetition(text, counts)
    return found[0] if found else ""
