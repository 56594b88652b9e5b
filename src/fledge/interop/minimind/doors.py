"""What the scripts under MiniMind's names open: `run("pretrain", __file__)`."""

from __future__ import annotations

import os
import sys

from fledge.cli import outside, use_utf8
from fledge.errors import UserError, spelled
from fledge.interop.minimind.arguments import Words
from fledge.interop.minimind.convert import convert
from fledge.interop.minimind.files import Place
from fledge.interop.minimind.talk import evaluate
from fledge.interop.minimind.tokenizer import train_tokenizer
from fledge.interop.minimind.train import train
from fledge.lang import _

OPENS = {"tokenizer": train_tokenizer, "eval_llm": evaluate, "convert_model": convert}  # any other trains


def run(door: str, file: str, argv: list[str] | None = None) -> int:
    """Run a door of the table; `file` is its script. Returns the exit code.

    A user's mistake, and what is wrong with the machine, is one sentence in MiniMind's words and exit code 2.
    """
    use_utf8()
    place = Place(file)
    with spelled(Words(door, place)):
        try:
            return OPENS.get(door, train)(door, place, sys.argv[1:] if argv is None else argv)
        except UserError as error:
            sentence = str(error)
            if os.environ.get("FLEDGE_DEBUG"):
                raise
        except KeyboardInterrupt:
            print(_("\nstopped."), file=sys.stderr)
            return 130
        except BrokenPipeError:  # `python eval_llm.py | head`: the reader has what it wanted
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except (OSError, MemoryError, RuntimeError) as error:
            sentence = outside(error)
            if not sentence or os.environ.get("FLEDGE_DEBUG"):
                raise
    print(_("error: {sentence}").format(sentence=sentence), file=sys.stderr)
    return 2
