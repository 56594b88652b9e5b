"""Reinforcement learning (SPO) with MiniMind's command line (--help lists it)."""

import sys

try:
    from fledge.interop.minimind.doors import run
except ModuleNotFoundError:
    sys.exit(
        "这个 Python 里没有装好 Fledge：在项目根目录运行 python start.py，再激活 .venv；或运行 pip install -r requirements.txt\n"
        "Fledge is not set up for this Python: in the project's root run `python start.py` and activate .venv, or run "
        "`pip install -r requirements.txt`."
    )

if __name__ == "__main__":
    sys.exit(run("spo", __file__))
