"""A GGUF as a Hugging Face model folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from fledge.errors import UserError
from fledge.interop.gguf.file import GgufFile
from fledge.interop.gguf.shape import model_config, tensor_names
from fledge.interop.gguf.tokens import read_tokenizer
from fledge.interop.gguf.weights import num_bytes, write_weights
from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.records import whole_folder

ROOM = 64 << 20  # bytes of disk that stay free, and room for the tokenizer


def import_gguf(path: Path, folder: Path) -> ModelConfig:
    """Write `folder` with the model and tokenizer of a GGUF, whole or not at all; returns its shape.

    UserError when the file is no whole model of a kind that Fledge has, or the disk too full.
    """
    file = GgufFile(path)
    config = model_config(file)
    names = tensor_names(file, config)
    tokenizer, ends = read_tokenizer(file)
    if tokenizer.vocab_size > config.vocab_size:
        raise UserError(
            _("{path} has {size} tokens, and its model is for {vocab_size}: download it again.").format(
                path=path, size=tokenizer.vocab_size, vocab_size=config.vocab_size
            )
        )
    check_room(folder, num_bytes(file, names))
    dtype = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[file.tensors["token_embd.weight"].dtype]
    with whole_folder(folder) as partial:
        tokenizer.save(partial)
        _write(partial / "config.json", config.to_dict() | {"dtype": dtype, "torch_dtype": dtype})
        ids = {"bos_token_id": config.bos_token_id, "eos_token_id": ends, "pad_token_id": config.pad_token_id}
        _write(partial / "generation_config.json", ids)
        write_weights(file, names, config, partial / "model.safetensors")
    return config


def check_room(folder: Path, needed: int) -> None:
    """UserError when the disk of `folder` has not `needed` bytes and a little more."""
    place = next(parent for parent in folder.resolve().parents if parent.is_dir())
    free = shutil.disk_usage(place).free
    if needed + ROOM > free:
        raise UserError(
            _("the model needs {needed:.1f} GB and the disk of {place} has {free:.1f} GB: make room.").format(
                needed=(needed + ROOM) / 1e9, place=place, free=free / 1e9
            )
        )


def _write(path: Path, data: dict) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
