"""MiniMind in a folder of its own: the two versions that people use, with our rows and weights in the places it reads.

Nothing of it is changed. Its `datasets` package is 150 MB to read one file of JSON lines, so ten lines stand in for it.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from _record import ROOT

ADDRESS = "https://github.com/jingyaogong/minimind"
COMMITS = {  # the last of v2.5, and v3 as it was when this was written
    "v2": "83e52f6a2720a125e52a9aa838397093e472f9f0",
    "v3": "d65ef2c00ebc6082f9df11541e1b191655eddb00",
}
SEQ_LEN = 340  # --max_seq_len of its pretraining
CHILD = ROOT / "bench" / "_minimind_child.py"
DATASETS = """
import json

Features, Sequence, Value = dict, list, str


def load_dataset(kind, data_files, split, features=None):
    with open(data_files, encoding="utf-8") as file:
        return [json.loads(line) for line in file]
"""


class MiniMind:
    """The peer's checkout in `folder`, which is thrown away."""

    def __init__(self, source: str, folder: Path, generation: str):
        self.generation, self.commit = generation, COMMITS[generation]
        self.checkout, packages = folder / f"minimind-{generation}", folder / "packages"
        for words in (
            ["clone", "--quiet", "--no-checkout", source, str(self.checkout)],
            ["-C", str(self.checkout), "checkout", "--quiet", self.commit, "--", "model", "trainer", "dataset"],
        ):
            subprocess.run(["git", *words], check=True)
        packages.mkdir(exist_ok=True)
        (packages / "datasets.py").write_text(DATASETS, encoding="utf-8")
        self.env = {"PYTHONPATH": str(packages), "TRANSFORMERS_OFFLINE": "1"}

    def write_rows(self, texts: list[str], name: str = "rows") -> Path:
        path = self.checkout / "dataset" / f"{name}.jsonl"
        lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
        return path

    def write_weights(self, hidden_size: int, num_hidden_layers: int) -> Path:
        """Weights to start from, drawn as transformers draws them for MiniMind: N(0, 0.02), norms 1."""
        import torch

        from fledge.interop.minimind.pth import minimind_config, write_pth
        from fledge.model.transformer import Transformer

        model = Transformer(minimind_config(self.generation, hidden_size, num_hidden_layers))
        generator = torch.Generator().manual_seed(0)
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.data.normal_(0, 0.02, generator=generator)
        path = self.checkout / "out" / f"start_{hidden_size}.pth"
        write_pth(model, path)
        return path

    def command(self, *words: str) -> list[str]:
        """A program of `_minimind_child.py`; it runs in the folder that MiniMind's scripts are started in."""
        return [sys.executable, str(CHILD), *words]

    @property
    def cwd(self) -> Path:
        return self.checkout / "trainer"

    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONUTF8": "1"} | self.env


def real_texts(folder: Path) -> Iterator[str]:
    """The texts of both mixes in turn, Chinese and English."""

    def texts(name: str) -> Iterator[str]:
        with gzip.open(folder / f"{name}_mix.jsonl.gz", "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)["text"]

    return itertools.chain.from_iterable(zip(texts("zh"), texts("en")))


def data_flag(parser) -> None:
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/pretrain", help="folder of both mixes")
    parser.add_argument("--minimind", default=ADDRESS, help="what `git clone` takes: a folder or an address")
