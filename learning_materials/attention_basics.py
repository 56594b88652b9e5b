"""A second name, used by other learning plans, of an experiment of the book."""

import runpy
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "modules/01-foundation/03-attention/experiments"
runpy.run_path(str(FOLDER / "exp1_attention_basics.py"), run_name="__main__")
