"""MiniMind's model under its own names. The code to read is in src/fledge/model: layers.py (RMSNorm, attention, SwiGLU,
mixture of experts), rope.py (RoPE, YaRN), transformer.py; their arithmetic is in src/fledge/parts/reference.py.
"""

import sys

try:
    from fledge.interop.minimind.model import MiniMindConfig, MiniMindForCausalLM
except ModuleNotFoundError:
    sys.exit(
        "这个 Python 里没有装好 Fledge：在项目根目录运行 python start.py，再激活 .venv；或运行 pip install -r requirements.txt\n"
        "Fledge is not set up for this Python: in the project's root run `python start.py` and activate .venv, or run "
        "`pip install -r requirements.txt`."
    )

__all__ = ["MiniMindConfig", "MiniMindForCausalLM"]
