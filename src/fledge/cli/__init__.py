"""`fledge VERB`: a table of verbs, each a module that is imported only when it is called (`--help` answers at once)."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

from fledge.device import out_of_memory
from fledge.errors import UserError, suggest
from fledge.lang import N_, Text, _, use_utf8

VERBS: dict[str, tuple[str, Text]] = {  # verb -> (module, help); a module has main(argv: list[str]) -> int
    "quickstart": (
        "fledge.cli.quickstart",
        N_("from nothing to a chat with a model you trained, in minutes"),
    ),
    "doctor": (
        "fledge.cli.doctor",
        N_("what this machine is, what it can train, and what is wrong with it"),
    ),
    "world": (
        "fledge.cli.world",
        N_("write the small world's texts, conversations and tasks; show its statistics"),
    ),
    "data": ("fledge.cli.data", N_("get, check and clean training data")),
    "synth": (
        "fledge.cli.synth",
        N_("let a served model write training data: answers, instructions, pairs"),
    ),
    "tokenizer": (
        "fledge.cli.tokenizer",
        N_("train, compare and look into tokenizers"),
    ),
    "plan": (
        "fledge.cli.plan",
        N_("predict memory, minutes and cost of a training run, and propose settings"),
    ),
    "train": ("fledge.cli.train", N_("train a model: pretrain, sft, lora, dpo, grpo, distill, …")),
    "adapters": (
        "fledge.cli.adapters",
        N_("list LoRA adapters, and make whole models of them"),
    ),
    "recipe": ("fledge.cli.recipe", N_("a task from rows to a measured model: identity, classification, SQL, …")),
    "chat": ("fledge.cli.chat", N_("talk with a model")),
    "generate": ("fledge.cli.generate", N_("continue a text with a model")),
    "eval": ("fledge.cli.eval", N_("measure a model")),
    "get": ("fledge.cli.get", N_("fetch a small real chat model with pip")),
    "import": ("fledge.cli.imports", N_("make a model folder of another program's file")),
    "export": ("fledge.cli.export", N_("write a model in other programs' form")),
    "runs": (
        "fledge.cli.runs",
        N_("list, show, compare, plot and check runs"),
    ),
    "learn": (
        "fledge.cli.learn",
        N_("the book: the next step of your path, pages, progress, report"),
    ),
    "lab": ("fledge.cli.lab", N_("the book's experiments: list, show, run")),
    "exercise": (
        "fledge.cli.exercise",
        N_("the book's exercises: start one, get a hint, begin again"),
    ),
    "check": ("fledge.cli.check", N_("grade your code")),
    "quiz": (
        "fledge.cli.quiz",
        N_("questions on a topic, every answer with its reason"),
    ),
    "parts": (
        "fledge.cli.parts",
        N_("let code of yours that passed train your models"),
    ),
    "log": (
        "fledge.cli.log",
        N_("write the dated record of an experiment from its runs"),
    ),
    "new": (
        "fledge.cli.new",
        N_("add a lab, an exercise or a job: its skeleton, its gate"),
    ),
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
            near = suggest(words[0], VERBS)
            raise UserError(
                _("'{word}' is not a fledge verb.{near}").format(word=words[0], near=near or _(" See `fledge --help`."))
            )
        return importlib.import_module(VERBS[words[0]][0]).main(words[1:])
    except SystemExit as stop:  # --help of a verb
        return stop.code if isinstance(stop.code, int) else 0
    except UserError as error:
        if os.environ.get("FLEDGE_DEBUG"):
            raise
        print(_("error: {error}").format(error=error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(_("\nstopped."), file=sys.stderr)
        return 130
    except BrokenPipeError:  # `fledge runs list | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, MemoryError, RuntimeError) as error:
        sentence = outside(error)
        if not sentence or os.environ.get("FLEDGE_DEBUG"):
            raise
        print(_("error: {sentence}").format(sentence=sentence), file=sys.stderr)
        return 2


def outside(error: Exception) -> str:
    """What is wrong with the machine and not with the program, in one sentence; "" for a bug."""
    name = getattr(error, "filename", None)
    if isinstance(error, PermissionError):
        where = name or _("the file that is written")
        return _("there is no permission to use '{where}': mend its rights, or name another place.").format(where=where)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = name or _("while writing")
        return _("the disk is full ({where}): make room and run the command again.").format(where=where)
    if out_of_memory(error):
        return _("there is not enough memory: use a smaller model, shorter texts, or fewer rows at a time.")
    return ""


def overview() -> str:
    """What `fledge --help` prints."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {help}" for verb, (_, help) in VERBS.items()]
    foot = _("`fledge VERB --help` says more. FLEDGE_RUNS: where runs lie (./runs). FLEDGE_CACHE: prepared data.")
    debug = _("FLEDGE_LANG=zh|en: the language. FLEDGE_DEBUG=1: show tracebacks.")
    return "\n".join([_("usage: fledge VERB …"), "", *lines, "", foot, debug])
