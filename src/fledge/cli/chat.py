"""`fledge chat MODEL`: talk with a model in the terminal; without a terminal, one message a line from standard input."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fledge.cli.flags import parse
from fledge.cli.parts import Choice, announce
from fledge.errors import UserError, quoted, suggest
from fledge.generate.sampling import Sampling
from fledge.lang import N_, _, readable
from fledge.records import Run

if TYPE_CHECKING:
    from fledge.api import LM

COMMANDS = {  # name -> (argument, what it does)
    "/help": ("", N_("show these commands")),
    "/reset": ("", N_("forget the conversation so far")),
    "/system": (
        "TEXT",
        N_("set the system message (empty removes it) and start again"),
    ),
    "/temp": (
        "NUMBER",
        N_("set the temperature; 0 always takes the most probable token"),
    ),
    "/think": ("", N_("let the model think before it answers, or no longer")),
    "/seed": ("NUMBER", N_("fix the random seed (empty frees it)")),
    "/quit": ("", N_("leave (Ctrl-D does too)")),
}


@dataclass
class Flags:
    """Talk with a model. /help in the chat shows the commands; Ctrl-C stops an answer, Ctrl-D leaves.

    What the model's generation_config.json says of sampling counts where no flag does.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """a run's name, or a model folder"""
    adapter: list[str] = field(default_factory=list)
    """put an adapter on the model, or several: runs of `fledge train lora`, or folders in PEFT's form"""
    system: str | None = None
    """a system message before the conversation"""
    thinking: bool = False
    """the model thinks (<think>) before it answers; for models that learnt to"""
    sampling: Sampling = field(default_factory=Sampling)
    device: str = "auto"
    """cpu, cuda, mps or auto"""
    precision: str = "auto"
    """fp32, bf16, fp16, or auto: the fastest that this machine computes well"""
    whose: Choice = field(default_factory=Choice)


def main(argv: list[str]) -> int:
    flags = parse(Flags, argv, "fledge chat")
    if not flags.adapter:
        refuse_untaught(flags.model)
    from fledge.api import load

    lm = load(flags.model, device=flags.device, precision=flags.precision, adapters=flags.adapter, **vars(flags.whose))
    if (
        flags.sampling.num_beams == 1
    ):  # below the flags stands what the model's own folder says; beam search samples not
        flags = parse(Flags, argv, "fledge chat", default=replace(flags, sampling=lm.sampling))
    announce(lm)
    lm.prompt(
        [{"role": "user", "content": ""}]
    )  # a model without a chat template is refused here, not at every message
    talk(lm, flags.sampling, flags.system, flags.thinking)
    return 0


def refuse_untaught(source: str) -> None:
    """UserError for a run that was only pretrained: its model goes on writing the user's text and never ends."""
    from fledge.model.source import find_model

    folder = find_model(source)
    if folder.name != "model" or not Run.exists(folder.parent):
        return
    run = Run(folder.parent)
    if run.info.get("job") != "pretrain" or (run.info.get("config") or {}).get("model"):
        return
    name = quoted(source)
    raise UserError(
        _(
            "'{run}' was only pretrained: it goes on writing a text and has not learned to answer. "
            'Let it write with `fledge generate {name} "…"`, or teach it to answer with `fledge train sft --model '
            "{name} --data FILE`."
        ).format(run=run.name, name=name)
    )


def talk(lm: LM, sampling: Sampling, system: str | None = None, thinking: bool = False) -> None:
    """Read messages and print answers until the end of the input."""
    terminal = sys.stdin.isatty()
    chat = Chat(lm, sampling, system, thinking)
    if terminal:
        _with_history()
        print(_("Type and press Enter. /help shows the commands, Ctrl-D leaves."))
    while True:
        try:
            line = input("\n> " if terminal else "").strip()
        except EOFError:
            break
        except KeyboardInterrupt:  # on an empty line it must not end the chat: people press it to stop an answer
            print(_("\n(Ctrl-D leaves)"))
            continue
        if not line:
            continue
        if not terminal:
            print(f"> {line}")
        try:
            if not chat.answer(line, lambda piece: print(piece, end="", flush=True)):
                break
        except KeyboardInterrupt:
            print(_(" … (stopped)"), end="")
        except UserError as error:
            print(_("error: {error}").format(error=error), end="")
        print()
    if terminal:
        print(_("Goodbye!"))


class Chat:
    """One conversation: its messages, and the settings that the commands change."""

    def __init__(self, lm: LM, sampling: Sampling, system: str | None, thinking: bool = False) -> None:
        self.lm, self.sampling, self.thinking = lm, sampling, thinking
        self.messages: list[dict[str, Any]] = []
        self._start(system)

    def _start(self, system: str | None) -> None:
        self.system = system and readable(system)
        self.messages = [] if not self.system else [{"role": "system", "content": self.system}]

    def answer(self, line: str, write: Callable[[str], object]) -> bool:
        """Take one line: a command, or a message that is answered piece by piece. False means leave.

        An answer that is interrupted stays in the conversation as far as it was shown; a message that could not be
        answered does not.
        """
        if line.startswith("/"):
            return self._command(line, write)
        self.messages.append({"role": "user", "content": readable(line)})
        pieces: list[str] = []
        try:
            if dropped := self._fit():
                write(_("(the conversation is long: forgot the first {dropped} messages)\n").format(dropped=dropped))
            opened = {"thinking": True} if self.thinking else {}
            if opened:  # the prompt holds the tag that it goes on from
                write("<think>\n")
            for piece in self.lm.stream(self.messages, **opened, **vars(self.sampling)):
                pieces.append(piece)
                write(piece)
        except UserError:
            self.messages.pop()
            raise
        finally:
            if self.messages and self.messages[-1]["role"] == "user":
                self.messages.append(self._said("".join(pieces)))
        if self.sampling.seed is not None:
            self.sampling = replace(self.sampling, seed=self.sampling.seed + 1)
        return True

    def _said(self, text: str) -> dict[str, Any]:
        """The answer as a message, what was thought apart from it, so that the template writes both as they were learnt."""
        from fledge.tokenizer.messages import split_thinking

        thought, answer = split_thinking(f"<think>{text}" if self.thinking else text)
        return {"role": "assistant", "content": answer} | ({"reasoning_content": thought} if thought else {})

    def _fit(self) -> int:
        """Forget the oldest turns when half the context would not be left for the answer; return how many messages."""
        context = self.lm.model.config.max_position_embeddings
        first, dropped = (1 if self.system else 0), 0
        while len(self.messages) > first + 2 and len(self.lm.prompt(self.messages)) > context // 2:
            del self.messages[first : first + 2]
            dropped += 2
        return dropped

    def _command(self, line: str, write: Callable[[str], object]) -> bool:
        name, __, argument = line.partition(" ")
        argument = argument.strip()
        if name == "/quit":
            return False
        if name == "/help":
            width = max(len(f"{command} {word}") for command, (word, _) in COMMANDS.items())
            lines = [f"{f'{command} {word}':<{width}}  {about}" for command, (word, about) in COMMANDS.items()]
            write("\n".join(lines))
        elif name == "/reset":
            self._start(self.system)
            write(_("The conversation so far is forgotten."))
        elif name == "/system":
            self._start(argument or None)
            write(_("Set; the conversation starts again."))
        elif name == "/temp":
            self.sampling = replace(self.sampling, temperature=_number(float, argument, "/temp 0.7"))
            write(_("The temperature is {temperature:g}.").format(temperature=self.sampling.temperature))
        elif name == "/think":
            self.thinking = not self.thinking
            write(_("It thinks before it answers.") if self.thinking else _("It answers without thinking."))
        elif name == "/seed":
            seed = _number(int, argument, "/seed 1") if argument else None
            self.sampling = replace(self.sampling, seed=seed)
            write(_("The seed is {seed}.").format(seed=seed if argument else _("free")))
        else:
            raise UserError(
                _("There is no command {name}.{near} /help shows all.").format(name=name, near=suggest(name, COMMANDS))
            )
        return True


def _number(kind: Callable[[str], Any], text: str, example: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise UserError(
            _("'{text}' is not a number: write it like {example}.").format(text=text, example=example)
        ) from None


def _with_history() -> None:
    """Arrow keys and line editing, where Python has readline (not on Windows, whose console does it by itself)."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401
