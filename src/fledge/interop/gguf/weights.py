"""The tensors of a GGUF as one safetensors file, one after the other: memory holds the largest of them, never the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fledge.interop.gguf.file import GgufFile
from fledge.model.config import ModelConfig

BYTES = {"F32": 4, "F16": 2, "BF16": 2}


def num_bytes(file: GgufFile, names: dict[str, str]) -> int:
    """What `write_weights` will write."""
    return sum(_size(file, theirs) for theirs in names.values())


def write_weights(file: GgufFile, names: dict[str, str], config: ModelConfig, path: Path) -> None:
    """Write the tensors `names` (ours -> theirs): plain ones as they are, quantised ones as fp32, which holds their numbers
    exactly.

    The format is that of safetensors: the length of a header, the header with every tensor's place, the bytes.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, theirs in names.items():
        stored, size = file.tensors[theirs], _size(file, theirs)
        header[name] = {"dtype": stored.dtype, "shape": list(stored.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode("utf-8")
    text += b" " * (-len(text) % 8)  # the bytes begin at a multiple of 8
    with path.open("wb") as out:
        out.write(len(text).to_bytes(8, "little"))
        out.write(text)
        for name, theirs in names.items():
            numbers = file.read(theirs)
            if config.model_type == "llama" and ".q_proj." in name:
                numbers = half_split(numbers, config.num_attention_heads)
            if config.model_type == "llama" and ".k_proj." in name:
                numbers = half_split(numbers, config.num_key_value_heads)
            out.write(np.ascontiguousarray(numbers).data)


def half_split(rows: np.ndarray, num_heads: int) -> np.ndarray:
    """Rows of a query or key projection [heads * D, …] in Hugging Face's order.

    RoPE turns pairs of numbers: in llama.cpp's "llama" they are neighbours (0, 1), (2, 3), …; in Hugging Face's one is in the
    first half of a head, the other in the second. llama.cpp's converter reorders the rows, and this puts them back.
    """
    pairs = rows.reshape(num_heads, -1, 2, *rows.shape[1:])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def _size(file: GgufFile, name: str) -> int:
    stored = file.tensors[name]
    return int(np.prod(stored.shape, dtype=np.int64)) * BYTES[stored.dtype]
