"""Answers that teach nothing: refusals, and copies of the question."""

from __future__ import annotations

import itertools
import re

from fledge.data.clean.filters import counts_of, visible
from fledge.data.clean.units import unit_hashes
from fledge.data.turns import Message
from fledge.lang import _

_REFUSES = re.compile(
    r"^\W*(?:(?:i[’']?m|i am) (?:really |very )?sorry|sorry,? (?:but )?(?:i|as)\b"
    r"|i (?:can(?:no|['’]?)t|am unable to|am not able to|won['’]t) |as an ai\b|unfortunately,? i (?:can|am)"
    r"|(?:很|非常)?抱歉|对不起|作为(?:一个|一名)?(?:ai|人工智能|语言模型)|我(?:无法|不能)(?:回答|提供|帮|满足|协助))",
    re.I,
)
REFUSAL = 400  # visible characters: a longer text that begins so goes on to answer
COPIED = 4  # units from which a question that comes back word for word is a copy


def refuses(text: str) -> bool:
    """Whether an answer is, by how it begins, that it will not answer."""
    return bool(_REFUSES.match(text)) and visible(counts_of(text)) <= REFUSAL


def copies(question: str, answer: str) -> bool:
    """Whether an answer has the very words of its question and no others."""
    own, its = unit_hashes(question), unit_hashes(answer)
    return own.size >= COPIED and own.size == its.size and bool((own == its).all())


def bad_answer(messages: list[Message]) -> str:
    """Why one of the answers in a conversation teaches nothing; "" when all are good."""
    for before, message in itertools.pairwise(messages):
        if message["role"] != "assistant":
            continue
        if refuses(message["content"]):
            return _("the answer refuses")
        if before["role"] == "user" and copies(before["content"], message["content"]):
            return _("the answer copies the question")
    return ""
