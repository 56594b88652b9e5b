"""A second name, used by other learning plans, of an experiment of the book."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().with_name("exp2_multi_frequency.py")), run_name="__main__")
