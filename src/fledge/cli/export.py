"""`fledge export hf MODEL --out FOLDER`: a folder that transformers (v4 and v5) and what stands on it can load."""

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
    return subverb({"hf": (hf, both("a Hugging Face model folder"))}, argv, "fledge export")


@dataclass
class HfFlags:
    """Write a model as a Hugging Face folder, and check it against transformers when that is installed."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """a run's name, or a model folder"""
    out: Path
    """the folder to write; it must be new or empty"""
    check: bool = True
    """load the result in transformers and compare (transformers takes seconds to start)"""
    json: bool = False
    """print JSON"""


def hf(argv: list[str]) -> int:
    flags = parse(HfFlags, argv, "fledge export hf")
    if flags.out.exists() and (not flags.out.is_dir() or any(flags.out.iterdir())):
        raise UserError(_("'{out}' is there already: name a new or empty folder with --out.").format(out=flags.out))
    from fledge import api
    from fledge.interop import hf as interop

    lm = api.load(flags.model, device="cpu")
    lm.save(flags.out)
    report: dict[str, object] = {"folder": flags.out.as_posix(), "checked": flags.check and interop.have_transformers()}
    ok = True
    if report["checked"]:
        agreement = interop.compare(lm, flags.out)
        ok = agreement.ok
        report |= asdict(agreement) | {"ok": ok}
    if flags.json:
        print(json.dumps(report, ensure_ascii=False))
        return int(not ok)
    print(_("wrote {out}").format(out=flags.out.as_posix()))
    if not flags.check:
        return 0
    if not report["checked"]:
        print(_("not checked: transformers is not installed (pip install transformers)."))
        return 0
    difference, tokens, prompt = agreement.max_logit_difference, agreement.same_tokens, agreement.same_prompt
    print(
        _(
            "transformers {version} loads it: logits differ by at most {difference:.1e}, the same tokens: {tokens}, "
            "the same chat prompt: {prompt}."
        ).format(version=agreement.transformers, difference=difference, tokens=_yes(tokens), prompt=_yes(prompt))
    )
    if not ok:
        print(
            _("error: that is not the same model (logits may differ by {tolerance:.0e}).").format(
                tolerance=interop.TOLERANCE
            )
        )
    return int(not ok)


def _yes(value: bool) -> str:
    return _("yes") if value else _("NO")
