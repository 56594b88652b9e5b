"""MiniMind's datasets under their names: a row as (input_ids, labels). The logic is in fledge/interop/minimind/datasets.py."""

import sys

try:
    from fledge.interop.minimind.datasets import PretrainDataset, SFTDataset
except ModuleNotFoundError:
    sys.exit(
        "这个 Python 里没有装好 Fledge：在项目根目录运行 python start.py，再激活 .venv；或运行 pip install -r requirements.txt\n"
        "Fledge is not set up for this Python: in the project's root run `python start.py` and activate .venv, or run "
        "`pip install -r requirements.txt`."
    )

__all__ = ["PretrainDataset", "SFTDataset"]
