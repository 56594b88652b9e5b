"""`fledge generate MODEL PROMPT`: continue a text, or answer one message."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated

import tyro

from fledge.cli.flags import parse
from fledge.cli.parts import Choice, announce
from fledge.errors import UserError
from fledge.generate.sampling import Sampling
from fledge.lang import readable, say


@dataclass
class Flags:
    """Continue a text with a model; with --chat, answer it as a message.

    What the model's generation_config.json says of sampling counts where no flag does.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """a run's name, or a model folder"""
    prompt: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PROMPT")]
    """the text; - reads it from standard input"""
    chat: bool = False
    """the prompt is a user's message, the output the assistant's answer"""
    system: str | None = None
    """a system message before it (with --chat)"""
    n: int = 1
    """how many continuations"""
    sampling: Sampling = field(default_factory=Sampling)
    device: str = "auto"
    """cpu, cuda, mps or auto"""
    precision: str = "auto"
    """fp32, bf16, fp16, or auto: the fastest that this machine computes well"""
    whose: Choice = field(default_factory=Choice)
    json: bool = False
    """print JSON: text, token ids, log-probabilities, why it ended"""


def main(argv: list[str]) -> int:
    flags = parse(Flags, argv, "fledge generate")
    if flags.n < 1:
        raise UserError(say(f"--n 至少应该是 1，但现在是 {flags.n}。", f"--n must be at least 1, but it is {flags.n}."))
    if flags.system is not None and not flags.chat:
        raise UserError(say("--system 只用于对话：请加上 --chat。", "--system belongs to a conversation: add --chat."))
    text = readable(sys.stdin.read() if flags.prompt == "-" else flags.prompt)
    from fledge.api import load

    lm = load(flags.model, device=flags.device, precision=flags.precision, **vars(flags.whose))
    if (
        flags.sampling.num_beams == 1
    ):  # below the flags stands what the model's own folder says; beam search samples not
        flags = parse(Flags, argv, "fledge generate", default=replace(flags, sampling=lm.sampling))
    announce(lm)
    if flags.chat:
        system = [] if flags.system is None else [{"role": "system", "content": readable(flags.system)}]
        prompt = lm.prompt([*system, {"role": "user", "content": text}])
    else:
        prompt = lm.prompt(text)
    if flags.json:
        completions = lm.generator.generate([prompt] * flags.n, flags.sampling)
        rows = [asdict(completion) for completion in completions]
        print(json.dumps({"prompt": text, "prompt_tokens": len(prompt), "completions": rows}, ensure_ascii=False))
    elif flags.n > 1:
        for i, completion in enumerate(lm.generator.generate([prompt] * flags.n, flags.sampling), start=1):
            print(f"--- {i} ({completion.finish_reason})\n{completion.text}")
    else:
        pieces = lm.generator.stream(prompt, flags.sampling)
        first = next(pieces, "")  # a prompt that cannot be continued is refused here, before anything is printed
        print(first if flags.chat else text + first, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print()
    return 0
