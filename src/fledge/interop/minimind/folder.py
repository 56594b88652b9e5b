"""A .pth as a Hugging Face model folder, with the tokenizer that belongs to it: MiniMind keeps the two apart."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import torch

from fledge.errors import UserError
from fledge.interop.minimind.pth import NAMES, generation_of, read_pth
from fledge.interop.minimind.tables import Generation
from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.model.folder import save_model
from fledge.model.transformer import Transformer
from fledge.records import cache_root, file_sha256, whole_folder

ADDED_TOKENS = {"v2": 3, "v3": 36}  # in their tokenizers, which have the same size of 6400
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


def pth_folder(path: str | Path) -> Path:
    """A Hugging Face folder with the model of a .pth and the tokenizer found near it; made once, kept in the cache."""
    path = Path(path)
    config, tensors = read_pth(path)
    place = _tokenizer_place(path, config)
    files = [place / name for name in TOKENIZER_FILES if (place / name).is_file()]
    key = hashlib.sha256("".join(file_sha256(file) for file in (path, *files)).encode()).hexdigest()
    folder = cache_root() / "minimind" / f"{path.stem}-{key[:16]}"
    if folder.is_dir():
        return folder
    with torch.device("meta"):
        model = Transformer(config)
    if config.tie_word_embeddings:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    model.load_state_dict(tensors, assign=True)
    try:
        with whole_folder(folder) as partial:
            save_model(model, partial)
            for file in files:
                shutil.copyfile(file, partial / file.name)
    except OSError:
        if not folder.is_dir():  # else another process was faster: its result is the same
            raise
    return folder


def _tokenizer_place(path: Path, config: ModelConfig) -> Path:
    """The folder of the tokenizer that belongs to a .pth: beside it, or in MiniMind's `model` folder."""
    here = path.resolve().parent
    unfit = []
    for place in dict.fromkeys([here, here.parent / "model", here / "model", Path("model").resolve()]):
        if (place / "tokenizer.json").is_file():
            if not (reason := _unfit(place / "tokenizer.json", config)):
                return place
            unfit.append(reason)
    whose = NAMES[generation_of(config)]
    found = _("; {unfit}").format(unfit=unfit[0]) if unfit else ""
    raise UserError(
        _(
            "there is no tokenizer for {path}: put the tokenizer.json and tokenizer_config.json that it was trained "
            "with ({whose}'s model folder has its own) beside it or into {folder}{found}."
        ).format(path=path, whose=whose, folder=(here.parent / "model").as_posix(), found=found)
    )


def _unfit(file: Path, config: ModelConfig) -> str:
    """Why this tokenizer.json cannot belong to the weights; "" when it can."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        added = content["added_tokens"]
        size = 1 + max(max(content["model"]["vocab"].values()), *(token["id"] for token in added))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return _("{file} cannot be read").format(file=file)
    if size > config.vocab_size:
        return _("{file} has {size} tokens, and the weights are for {vocab_size}").format(
            file=file, size=size, vocab_size=config.vocab_size
        )
    mine = generation_of(config)
    other: Generation = "v2" if mine == "v3" else "v3"
    if config.vocab_size == 6400 and len(added) == ADDED_TOKENS[other]:  # nothing else tells; only noise would come out
        return _("{file} is that of {other}, and the weights are {mine}'s").format(
            file=file, other=NAMES[other], mine=NAMES[mine]
        )
    return ""
