"""A second name, used by other learning plans, of an experiment of the book."""

import runpy
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "modules/01-foundation/02-position-encoding/experiments"
runpy.run_path(str(FOLDER / "exp2_multi_frequency.py"), run_name="__main__")
