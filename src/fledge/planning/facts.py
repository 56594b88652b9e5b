"""What the planner is told: facts of a job, and how much text some files hold.

The text is measured by the first megabytes of each file: a plan must not read gigabytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.model.config import ModelConfig
from fledge.model.source import find_model

if TYPE_CHECKING:
    from fledge.data.rows import Kind
    from fledge.planning.memory import Adapter
    from fledge.training.config import TrainConfig

Three = tuple[int, int, int]
SAMPLE = 2_000_000  # bytes of text read of every file
MANY = 50  # rows of the model that a document must fill for its rows to hold, mostly, one document each


@dataclass(frozen=True)
class Planning:
    """Tuples of three hold a value for each profile (conservative, standard, aggressive).

    Attributes:
        kind: of its rows.
        seq_len: tokens of a row on (CPU, GPU).
        budget: times for (CPU, GPU), for a job that trains as long as one likes; epochs: for one that reads its data.
        frozen: models of the trained one's shape that only run forward beside it (a reference).
        beside: the setting that names another such model, of any shape (a teacher).
        dial: whether --budget chooses the shape of a new model.
        adapter: what is trained instead of the weights, from the job's settings.
        judges: the reward models that the job's settings name, which only run forward too.
        tables: of logits in its loss, from its settings (see planning.memory.Pass); None: a language model's.
        answers: whether the model writes what it is trained on (see planning.rollout).
    """

    job: str
    kind: Kind
    seq_len: tuple[Three, Three]
    budget: tuple[tuple[str, str, str], tuple[str, str, str]] | None = None
    epochs: Three | None = None
    frozen: int = 0
    beside: str = ""
    dial: bool = False
    adapter: Callable[[Any], Adapter] | None = None
    judges: Callable[[Any], list[str]] | None = None
    tables: Callable[[Any], int] | None = None
    answers: bool = False


@dataclass(frozen=True)
class Size:
    """UTF-8 bytes of text, and of an average row or document. `assumed`: no files were named."""

    num_bytes: int
    row_bytes: float
    assumed: bool = False

    def tokens(self, vocab_size: int) -> int:
        return max(1, round(self.num_bytes / bytes_per_token(vocab_size)))

    def packed(self, vocab_size: int, seq_len: int) -> bool:
        """Whether a row usually holds several documents, so that attention needs a mask."""
        return self.row_bytes / bytes_per_token(vocab_size) < MANY * seq_len


ASSUMED = {  # no --data
    "text": Size(100_000_000, 500, assumed=True),
    "chat": Size(20_000_000, 1000, assumed=True),
    "preference": Size(20_000_000, 2000, assumed=True),
    "judged": Size(20_000_000, 1000, assumed=True),
    "task": Size(1_000_000, 200, assumed=True),
}


def bytes_per_token(vocab_size: int) -> float:
    """2.03 at 512 tokens and 3.01 at 4,096, measured on English plays and an English and Chinese mix (docs/LOG.md)."""
    return 2.03 * (vocab_size / 512) ** 0.19


def size_of(facts: Planning, config: TrainConfig) -> Size:
    """The text of the config's files; an assumed amount when there are none."""
    kind = getattr(config, "kind", facts.kind)
    return measure_text(config.data, kind) if config.data else ASSUMED[kind]


def frozen_shapes(facts: Planning, config: TrainConfig, shape: ModelConfig) -> list[ModelConfig]:
    """The shapes of the models that only run forward beside one of `shape`; that of one that is not named yet is the same."""
    names = [getattr(config, facts.beside)] if facts.beside else facts.judges(config) if facts.judges else []
    return [shape] * facts.frozen + [ModelConfig.load(find_model(name)) if name else shape for name in names]


def measure_text(paths: Iterable[str | Path], kind: Kind) -> Size:
    """The text of the files; exact for small ones. UserError for a file that cannot be read."""
    from fledge.data.readers import check_file  # loads a library, and the help of a job, which has facts, must be quick

    total = rows = 0.0
    for path in paths:
        num_bytes, num_rows = _file(check_file(path), kind)
        total, rows = total + num_bytes, rows + num_rows
    return Size(round(total), total / max(rows, 1))


def _file(path: Path, kind: Kind) -> tuple[float, float]:
    """(bytes of text, rows) of one file."""
    from fledge.data.encoding import chunks, open_bytes
    from fledge.data.formats import SEPARATOR
    from fledge.data.readers import Quarantine, is_plain_text, parse_rows, raw_rows
    from fledge.data.rows import texts_of

    if is_plain_text(path):
        size = _unpacked_bytes(path)
        with open_bytes(path) as file:
            head = next(chunks(file, path, SAMPLE), b" ")
        return size, 1 + head.count(SEPARATOR.encode()) * max(1.0, size / len(head))
    text = raw = rows = 0

    def counted() -> Iterator[tuple[int, Any]]:
        nonlocal raw
        for line, value in raw_rows(path, kind):
            raw += len(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")) + 1
            yield line, value

    for row in parse_rows(counted(), kind, Quarantine(), path.name, str(path)):
        text += sum(len(piece.encode("utf-8")) for piece in texts_of(row))
        rows += 1
        if text >= SAMPLE:
            break
    else:
        return text, rows
    if path.name.lower().endswith(".parquet"):
        import pyarrow.parquet

        scale = pyarrow.parquet.read_metadata(path).num_rows / rows
    else:
        scale = max(1.0, _unpacked_bytes(path) / raw)
    return text * scale, rows * scale


def _unpacked_bytes(path: Path) -> int:
    """Size of a file without its gzip, by gzip's own count at the end (it is the size modulo 4 GiB)."""
    size = path.stat().st_size
    if path.suffix.lower() != ".gz":
        return size
    with path.open("rb") as file:
        file.seek(-4, 2)
        counted = int.from_bytes(file.read(4), "little")
    return counted if counted > size else 3 * size
