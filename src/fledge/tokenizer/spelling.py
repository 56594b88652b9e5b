"""What the tokens of a vocabulary stand for, in bytes: two spellings are known.

*Byte level* (GPT-2, Qwen, Llama 3, ours): each byte is a visible character. *Byte fallback* (Gemma): text is spelled as it is, with
▁ for the space, and what no token has in bytes such as <0xE4>. There a ▁ in a text is read as a space.
"""

from __future__ import annotations

import json
import re
from typing import Any

from fledge.tokenizer.bpe import CHAR_TO_BYTE

SPACE = "▁"


def is_known(content: dict[str, Any]) -> bool:
    """Whether a tokenizer.json is BPE in one of the two spellings."""
    model, normalizer = content["model"], content.get("normalizer") or {}
    if model.get("type") != "BPE":
        return False
    plain = normalizer == {
        "type": "Replace",
        "pattern": {"String": " "},
        "content": SPACE,
    }  # and no space before the text
    return (bool(model.get("byte_fallback")) and plain) or '"ByteLevel"' in json.dumps(content.get("decoder"))


def byte_level(token: str) -> bytes | None:
    """The bytes of a token; None for one that is spelled otherwise."""
    return bytes(CHAR_TO_BYTE[char] for char in token) if all(char in CHAR_TO_BYTE for char in token) else None


def byte_fallback(token: str) -> bytes:
    """The bytes of a token."""
    if byte := re.fullmatch(r"<0x([0-9A-F]{2})>", token):
        return bytes.fromhex(byte[1])
    return token.replace(SPACE, " ").encode("utf-8")
