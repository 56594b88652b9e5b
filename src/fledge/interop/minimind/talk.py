"""`eval_llm.py`: MiniMind's look at a trained model, eight questions or a chat, with the speed of every answer."""

from __future__ import annotations

import codecs
import re
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fledge.errors import UserError
from fledge.generate.sampling import Sampling
from fledge.interop.minimind.arguments import parse, values
from fledge.interop.minimind.files import Place, find_weights, weight_name
from fledge.interop.minimind.practice import practice_hashes
from fledge.interop.minimind.runs import runs_of
from fledge.interop.minimind.tables import Generation
from fledge.lang import _, language

if TYPE_CHECKING:
    from fledge.api import LM

QUESTIONS = (  # the range of MiniMind's eight: itself, why, code, science, advice, comparing, AI, food
    "你能做什么？", "海水为什么是咸的？", "用 Python 写一个求最大公约数的函数", "植物是怎样进行光合作用的？",
    "明天降温，出门要准备什么？", "火车和飞机各有什么好处？", "什么是神经网络？", "介绍几种中国的早餐",
)  # fmt: skip
BEGINNINGS = ("你", "海水", "天空", "植物", "今天", "火车", "The", "中国")
LOOP = re.compile(r"(.{1,40}?)\1{7,}$", re.DOTALL)  # the same up to 40 characters eight times in a row


def evaluate(door: str, place: Place, argv: list[str]) -> int:
    """Load, ask which mode, talk until the input ends."""
    typed = parse(door, argv)
    args = values(door, _generation(place, typed), typed)
    place.enter()
    sampling = Sampling(args["max_new_tokens"], args["temperature"], top_p=args["top_p"])
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")  # half a character is no reason to stop
    lm, source = _load(place, args)
    size = lm.model.config.num_parameters()["total"] / 1e6
    print(_("{source}: {size:.2f}M parameters on {device}").format(source=source, size=size, device=lm.model.device))
    asked, automatic = _prompts(place, args)
    if sys.stdin.isatty():
        print(_("(Ctrl-C stops an answer, an empty line ends)"))
    talk = Talk(lm, args, sampling)
    for prompt in asked:
        if automatic:
            print(f"💬: {prompt}")
        talk.answer(prompt)
    return 0


def _generation(place: Place, typed: dict[str, Any]) -> Generation:
    """--compat; else whose default weights are there, if it is one alone; else v2."""
    if typed.get("compat"):
        return typed["compat"]
    out = place.find(typed.get("save_dir", "out"), "save_dir" in typed)
    names = [weight_name(typed.get("weight", "full_sft"), size, typed.get("use_moe", 0)) for size in (512, 768)]
    there = [(out / f"{name}.pth").is_file() for name in names]
    return "v3" if there == [False, True] else "v2"


def _load(place: Place, args: dict[str, Any]) -> tuple[LM, str]:
    """The model, and its name for the first line."""
    folder = place.find(args["load_from"], typed=True)
    if args["load_from"] == "model" or (folder == place.model_dir and not (folder / "config.json").exists()):
        out = place.find(args["save_dir"], typed=True)
        path = find_weights(place, [out], args["weight"], args["hidden_size"], args["use_moe"], "weight")
        source, shown = place.short(path), place.shown(path)
    else:
        source = place.short(folder) if folder.exists() else args["load_from"]
        shown = args["load_from"]
    from fledge import api
    from fledge.interop.minimind.lora import find_lora, merge_lora

    lm = api.load(source, device=args["device"])
    if args["lora_weight"] != "None":
        out = place.find(args["save_dir"], typed=True)
        path = find_lora(place, out, args["lora_weight"], args["hidden_size"], args["use_moe"])
        merge_lora(lm.model, path)
        shown = f"{shown} + {place.shown(path)}"
    layers = lm.model.config.num_hidden_layers
    if args["num_hidden_layers"] not in (None, layers):
        asked = args["num_hidden_layers"]
        raise UserError(
            _("{shown} has {layers} layers, not {asked}: leave --num_hidden_layers out.").format(
                shown=shown, layers=layers, asked=asked
            )
        )
    if args["inference_rope_scaling"]:
        lm = _stretched(lm)
    return lm, shown


def _stretched(lm: LM) -> LM:
    """The same weights with YaRN's angles."""
    import dataclasses

    from fledge.api import LM
    from fledge.interop.minimind.model import YARN
    from fledge.model.transformer import Transformer

    model = Transformer(dataclasses.replace(lm.model.config, rope_scaling=YARN))
    model.load_state_dict(lm.model.state_dict())
    return LM(model.to(lm.model.device).eval(), lm.tokenizer)


def _prompts(place: Place, args: dict[str, Any]) -> tuple[Iterator[str], bool]:
    """(prompts, whether they are ours). The end of the input means the automatic test."""
    question = _("[0] automatic test\n[1] type yourself\n")
    while True:
        try:
            mode = input(question).strip()
        except EOFError:
            mode = "0"
        if mode == "0":
            return iter(_automatic(place, args)), True
        if mode == "1":
            return _typed(), False
        print(_("Type 0 or 1."))


def _typed() -> Iterator[str]:
    while True:
        try:
            line = input("💬: ").strip()
        except EOFError:
            print()
            return
        if not line:
            return
        if not sys.stdin.isatty():
            print(line)
        yield line


def _automatic(place: Place, args: dict[str, Any]) -> list[str]:
    """The eight prompts; of a model that knows only our small world, questions about that world."""
    continues = "pretrain" in args["weight"]
    if not _knows_the_world(place, weight_name(args["weight"], args["hidden_size"], args["use_moe"])):
        return list(BEGINNINGS if continues else QUESTIONS)
    from fledge.world import World
    from fledge.world.sample import sample
    from fledge.world.text import documents

    print(_("(This model was trained on practice data and knows only our small world, so it is asked about that.)"))
    world = World.build("small")
    if not continues:
        return [one.question for one in sample(world, language())]
    found = [d.text for d in documents(world, 60, split="validation") if d.lang == language() and d.kind == "facts"]
    return [text[: len(text) // 3] for text in found[:6]]


def _knows_the_world(place: Place, name: str) -> bool:
    """Whether the newest run that wrote these weights was trained on a practice file."""
    ours, runs = practice_hashes(place), runs_of(name)
    inputs = runs[-1].info["data"].get("train", {}).get("inputs", []) if runs else []
    return any(found["sha256"] in ours for found in inputs)


class Talk:
    """One conversation with the settings of the command line."""

    def __init__(self, lm: LM, args: dict[str, Any], sampling: Sampling) -> None:
        self.lm, self.args, self.sampling = lm, args, sampling
        self.messages: list[dict[str, Any]] = []
        runs = runs_of(weight_name(args["weight"], args["hidden_size"], args["use_moe"]))
        packed = args["load_from"] != "model" or (runs and not runs[-1].info["config"].get("parity"))
        # what a text begins with: our packed rows with <|endoftext|>, MiniMind's with its bos
        self.begin = lm.tokenizer.endoftext_id if packed else lm.tokenizer.im_start_id

    def answer(self, prompt: str) -> None:
        """Print the answer while it is made; Ctrl-C, or an answer that goes round in circles, ends it."""
        ids = self._ids(prompt)
        said = Said(self.lm)
        print("🤖: ", end="", flush=True)
        begun, note = time.perf_counter(), ""
        try:
            self.lm.generator.generate([ids], self.sampling, said.add)
        except KeyboardInterrupt:
            note = _(" … (stopped)")
        except Circles:
            note = _(" … (it repeats itself: stopped)")
        print(said.end() + note)
        seconds = time.perf_counter() - begun
        self.messages.append({"role": "assistant", "content": said.text})
        if self.args["show_speed"]:
            print(f"[Speed]: {said.tokens / max(seconds, 1e-9):.2f} tokens/s")
        print()

    def _ids(self, prompt: str) -> list[int]:
        keep = self.args["historys"]
        self.messages = [*(self.messages[-keep:] if keep else []), {"role": "user", "content": prompt}]
        if "pretrain" in self.args["weight"]:
            return [self.begin, *self.lm.tokenizer.encode(prompt)]
        return self.lm.prompt(self.messages, thinking=bool(self.args["open_thinking"]))


class Circles(Exception):
    """An answer began to repeat itself."""


class Said:
    """An answer as it comes, token by token; only whole characters are printed."""

    def __init__(self, lm: LM) -> None:
        self.lm, self.text, self.tokens = lm, "", 0
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, index: int, token: int) -> None:
        self.tokens += 1
        if token in self.lm.generator.stop_ids or token >= self.lm.tokenizer.vocab_size:
            return
        piece = self.decoder.decode(self.lm.tokenizer.token_bytes(token))
        self.text += piece
        print(piece, end="", flush=True)
        if self.tokens % 16 == 0 and LOOP.search(self.text[-400:]):
            raise Circles

    def end(self) -> str:
        """What was left of an unfinished character."""
        rest = self.decoder.decode(b"", final=True)
        self.text += rest
        return rest
