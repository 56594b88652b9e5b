"""`fledge data convert FILE… --out OUT.jsonl --to SCHEMA`: conversations of any schema in another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fledge.cli.flags import parse
from fledge.errors import UserError
from fledge.lang import _


@dataclass
class ConvertFlags:
    """Write conversations in another schema. Training reads them all as they are; other programs may not."""

    files: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """conversations in any schema: MiniMind, OpenAI messages (ChatML), ShareGPT, Alpaca, Dolly, question and answer"""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """the rows, .jsonl"""
    to: Literal["minimind", "openai", "sharegpt", "alpaca"] = "minimind"
    """the schema to write"""
    force: bool = False
    """replace OUT when it is there"""


def convert(argv: list[str]) -> int:
    flags = parse(ConvertFlags, argv, "fledge data convert")
    if not flags.files:
        raise UserError(_("name at least one file of conversations."))
    if flags.out.exists() and not flags.force:
        raise UserError(
            _("'{out}' is there already: give --out another name, or --force to replace it.").format(out=flags.out)
        )
    from fledge.data.convert import convert as run

    count, found = run(list(flags.files), flags.out, flags.to)
    print(_("{rows:,} rows in {out}").format(rows=count, out=flags.out))
    for sentence in filter(None, [found.summary(), *found.notes]):
        print(f"  {sentence}")
    return 0
