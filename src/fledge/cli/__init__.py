"""`fledge VERB`: a table of verbs, each a module that is imported only when it is called (`--help` answers at once)."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

from fledge.device import out_of_memory
from fledge.errors import UserError, suggest
from fledge.lang import use_utf8

VERBS: dict[str, tuple[str, str]] = {  # verb -> (module, help); a module has main(argv: list[str]) -> int
    "quickstart": ("fledge.cli.quickstart", "from nothing to a chat with a model you trained, in minutes"),
    "doctor": ("fledge.cli.doctor", "what this machine is, what it can train, and what is wrong with it"),
    "world": ("fledge.cli.world", "write the small world's texts, conversations and tasks; show its statistics"),
    "data": ("fledge.cli.data", "get, check and clean training data"),
    "tokenizer": ("fledge.cli.tokenizer", "train, compare and look into tokenizers"),
    "plan": ("fledge.cli.plan", "predict memory, minutes and cost of a training run, and propose settings"),
    "train": ("fledge.cli.train", "train a model: pretrain, sft"),
    "chat": ("fledge.cli.chat", "talk with a model"),
    "generate": ("fledge.cli.generate", "continue a text with a model"),
    "eval": ("fledge.cli.eval", "measure a model"),
    "export": ("fledge.cli.export", "write a model in other programs' form"),
    "runs": ("fledge.cli.runs", "list, show, compare, plot and check runs"),
    "learn": ("fledge.cli.learn", "the book: the next step of your path, pages, progress, report"),
    "lab": ("fledge.cli.lab", "the book's experiments: list, show, run"),
    "exercise": ("fledge.cli.exercise", "the book's exercises: start one, get a hint, begin again"),
    "check": ("fledge.cli.check", "grade your code"),
    "quiz": ("fledge.cli.quiz", "questions on a topic, every answer with its reason"),
    "parts": ("fledge.cli.parts", "let code of yours that passed train your models"),
    "log": ("fledge.cli.log", "write the dated record of an experiment from its runs"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fledge VERB …`. Exit codes: 0 done, 1 a check failed, 2 a mistake in the request, 130 Ctrl-C."""
    words = list(sys.argv[1:] if argv is None else argv)
    use_utf8()
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            print(overview())
            return 0
        if words[0] in ("--version", "-V"):
            from fledge import __version__

            print(f"fledge {__version__}")
            return 0
        if words[0] not in VERBS:
            raise UserError(f"'{words[0]}' is not a fledge verb.{suggest(words[0], VERBS) or ' See `fledge --help`.'}")
        return importlib.import_module(VERBS[words[0]][0]).main(words[1:])
    except SystemExit as stop:  # --help of a verb
        return stop.code if isinstance(stop.code, int) else 0
    except UserError as error:
        if os.environ.get("FLEDGE_DEBUG"):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `fledge runs list | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, MemoryError, RuntimeError) as error:
        sentence = outside(error)
        if not sentence or os.environ.get("FLEDGE_DEBUG"):
            raise
        print(f"error: {sentence}", file=sys.stderr)
        return 2


def outside(error: Exception) -> str:
    """What is wrong with the machine and not with the program, in one sentence; "" for a bug."""
    where = getattr(error, "filename", None) or "while writing"
    if isinstance(error, PermissionError):
        return f"there is no permission to use '{where}': mend its rights, or name another place."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"the disk is full ({where}): make room and run the command again."
    if out_of_memory(error):
        return "there is not enough memory: use a smaller model, --batch-size or --seq-len."
    return ""


def overview() -> str:
    """What `fledge --help` prints."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {help}" for verb, (_, help) in VERBS.items()]
    foot = "`fledge VERB --help` says more. FLEDGE_RUNS: where runs lie (./runs). FLEDGE_CACHE: prepared data."
    debug = "FLEDGE_LANG=zh|en: the language. FLEDGE_DEBUG=1: show tracebacks."
    return "\n".join(["usage: fledge VERB …", "", *lines, "", foot, debug])
