"""A second name, used by other learning plans, of an experiment of the book."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().with_name("exp1_rope_basics.py")), run_name="__main__")
