"""A second name, used by other learning plans, of an experiment of the book."""

import runpy
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "modules/01-foundation/01-normalization/experiments"
runpy.run_path(str(FOLDER / "exp1_gradient_vanishing.py"), run_name="__main__")
