"""`fledge import gguf FILE`: other programs' models as model folders."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fledge.cli.flags import parse, subverb
from fledge.errors import UserError
from fledge.lang import _, both


def main(argv: list[str]) -> int:
    return subverb({"gguf": (gguf, both("a GGUF file of llama.cpp or Ollama"))}, argv, "fledge import")


@dataclass
class GgufFlags:
    """Make a Hugging Face model folder of a GGUF (llama, qwen2, qwen3, mistral); quantised tensors become fp32."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """a .gguf file"""
    out: Path | None = None
    """the folder to write, new or empty; default: one of the file's name, here"""
    json: bool = False
    """print JSON"""


def gguf(argv: list[str]) -> int:
    flags = parse(GgufFlags, argv, "fledge import gguf")
    out = flags.out or Path(flags.file.stem)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(_("'{out}' is there already: name a new or empty folder with --out.").format(out=out))
    from fledge.interop.gguf.folder import import_gguf

    config = import_gguf(flags.file, out)
    if flags.json:
        print(json.dumps({"folder": out.as_posix(), "config": asdict(config)}, ensure_ascii=False))
        return 0
    size = config.num_parameters()["total"] / 1e6
    print(
        _("wrote {out}: {kind}, {size:,.1f} million parameters; try it: `fledge chat {out}`").format(
            out=out.as_posix(), kind=config.model_type, size=size
        )
    )
    return 0
