"""`fledge export hf MODEL --out FOLDER`: a folder that transformers (v4 and v5) and what stands on it can load."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fledge.cli.flags import parse, subverb
from fledge.errors import UserError
from fledge.lang import Text, say


def main(argv: list[str]) -> int:
    return subverb(
        {"hf": (hf, Text("Hugging Face 的模型文件夹", "a Hugging Face model folder"))}, argv, "fledge export"
    )


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
        raise UserError(
            say(
                f"'{flags.out}' 已经在那里了：请用 --out 写一个新的或空的文件夹。",
                f"'{flags.out}' is there already: name a new or empty folder with --out.",
            )
        )
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
    print(say(f"写好了 {flags.out.as_posix()}", f"wrote {flags.out.as_posix()}"))
    if not flags.check:
        return 0
    if not report["checked"]:
        print(
            say(
                "没有检查：还没有安装 transformers（pip install transformers）。",
                "not checked: transformers is not installed (pip install transformers).",
            )
        )
        return 0
    difference, tokens, prompt = agreement.max_logit_difference, agreement.same_tokens, agreement.same_prompt
    print(
        say(
            f"transformers {agreement.transformers} 能加载它：logits 最多相差 {difference:.1e}，"
            f"词元相同：{_yes(tokens)}，对话的提示相同：{_yes(prompt)}。",
            f"transformers {agreement.transformers} loads it: logits differ by at most {difference:.1e}, "
            f"the same tokens: {_yes(tokens)}, the same chat prompt: {_yes(prompt)}.",
        )
    )
    if not ok:
        print(
            say(
                f"出错：这不是同一个模型（logits 最多可以相差 {interop.TOLERANCE:.0e}）。",
                f"error: that is not the same model (logits may differ by {interop.TOLERANCE:.0e}).",
            )
        )
    return int(not ok)


def _yes(value: bool) -> str:
    return say("是", "yes") if value else say("否", "NO")
