"""Text for experiments of your own, in modules/common/data. No lab of this book needs it: they make their own.

python data_sources.py --dataset synthetic      a small world's text, written here: no network
python data_sources.py --dataset shakespeare    tinyshakespeare, 1 MB
python data_sources.py --dataset tinystories    the validation part of TinyStories
python data_sources.py --download-all           all three
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fledge.cli import main as fledge

FOLDER = Path(__file__).resolve().parent / "data"
COMMANDS = {
    "synthetic": ["world", "write", str(FOLDER / "world"), "--train-bytes", "1000000"],
    "shakespeare": ["data", "get", "tinyshakespeare", "--to", str(FOLDER)],
    "tinystories": ["data", "get", "tinystories-valid", "--to", str(FOLDER)],
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--dataset", choices=COMMANDS)
    which.add_argument("--download-all", action="store_true")
    chosen = parser.parse_args(argv)
    FOLDER.mkdir(exist_ok=True)
    names = list(COMMANDS) if chosen.download_all else [chosen.dataset]
    failed = [name for name in names if fledge(COMMANDS[name]) != 0]
    if failed:
        print(f"\n没有得到 / missing: {', '.join(failed)}。本书的实验都不需要它们。No lab of the book needs them.")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
