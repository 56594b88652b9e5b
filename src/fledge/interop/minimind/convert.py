"""`scripts/convert_model.py`: MiniMind's .pth to a Hugging Face folder, and any model of a MiniMind shape to a .pth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fledge.cli.flags import parse
from fledge.errors import UserError
from fledge.interop.minimind.files import Place
from fledge.interop.minimind.tables import file_of
from fledge.lang import _


@dataclass
class ConvertFlags:
    """Turn a MiniMind .pth into a Hugging Face folder, or a model into a .pth that MiniMind loads.

    OUT decides: a name that ends in .pth is written in fp16 with MiniMind's names; any other is a folder, which
    transformers, vLLM and llama.cpp load without MiniMind's code.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """a .pth such as out/full_sft_512.pth, a run's name, or a model folder"""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """the folder, or the .pth, to write; it must be new"""


def convert(door: str, place: Place, argv: list[str]) -> int:
    """Write OUT. Paths count from where the user is."""
    try:
        flags = parse(ConvertFlags, argv, file_of(door))
    except SystemExit:  # --help
        return 0
    out = flags.out
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(_("'{out}' is there already: name a new file or folder.").format(out=out))
    from fledge import api
    from fledge.interop.minimind.pth import write_pth
    from fledge.model.folder import load_model
    from fledge.model.source import find_model

    if out.suffix == ".pth":
        folder = find_model(flags.model)
        write_pth(load_model(folder), out)
        print(
            _(
                "wrote {out} (fp16); its tokenizer is in {folder}, and MiniMind reads one from its own folder `model`."
            ).format(out=out.as_posix(), folder=folder.as_posix())
        )
    else:
        api.load(flags.model, device="cpu").save(out)
        print(_("wrote {out}: a Hugging Face folder").format(out=out.as_posix()))
    return 0
