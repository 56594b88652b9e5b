"""A tokenizer of bytes, so that these tests need no trained one: ids 0 and 1 are control tokens, byte b is id b + 2."""

from __future__ import annotations

import json

import numpy as np
import pytest


class ByteTokenizer:
    vocab_size = 258
    endoftext_id = 0
    im_end_id = 1

    def __init__(self, name: str = "bytes") -> None:
        self.name = name  # part of the saved files: another name is another tokenizer

    def encode_batch(self, texts):
        return [[byte + 2 for byte in text.encode("utf-8")] for text in texts]

    def decode(self, ids, skip_special=True):
        return bytes(id - 2 for id in ids if id > 1).decode("utf-8", "replace")

    def byte_lengths(self):
        return np.array([0, 0] + [1] * 256, np.int32)

    def render_ids_batch(self, conversations, *, tools=None):
        """`role: content<end>`; what the assistant writes, with its end, is learned."""
        out = []
        for messages in conversations:
            ids, mask = [], []
            for message in messages:
                head, body = self.encode_batch([message["role"] + ": ", message["content"]])
                learned = message["role"] == "assistant"
                ids += [*head, *body, self.im_end_id]
                mask += [False] * len(head) + [learned] * (len(body) + 1)
            out.append((ids, mask))
        return out

    def save(self, folder):
        (folder / "tokenizer.json").write_text(json.dumps(self.name), encoding="utf-8")


@pytest.fixture
def byte_tokenizer():
    return ByteTokenizer()


@pytest.fixture
def write(tmp_path):
    """write(name, content) -> path; a list is written as JSON lines (strings in it as they stand)."""

    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        if isinstance(content, list):
            lines = [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in content]
            content = "\n".join(lines) + "\n"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def chat(question="q", answer="a"):
    return {"conversations": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
