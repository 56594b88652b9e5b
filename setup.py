"""Put the book into the wheel: `modules/` travels as `fledge/modules`. Everything else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

LEFT_OUT = shutil.ignore_patterns("__pycache__", "runs", "data")


class WithBook(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # an editable installation reads the folder itself
            target = Path(self.build_lib) / "fledge" / "modules"
            shutil.copytree(Path(__file__).parent / "modules", target, ignore=LEFT_OUT, dirs_exist_ok=True)


setup(cmdclass={"build_py": WithBook})
