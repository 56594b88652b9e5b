"""Data: row formats, readers, tokenised shards, packed batches. `prepare` → `Dataset` → `PackedBatches` → `TokenBatch`."""

from fledge.data.batches import PackedBatches, TokenBatch, eval_batches
from fledge.data.dataset import Dataset
from fledge.data.mixture import Mixture
from fledge.data.readers import Quarantine, read_rows
from fledge.data.shards import prepare, prepare_rows

__all__ = [
    "Dataset",
    "Mixture",
    "PackedBatches",
    "Quarantine",
    "TokenBatch",
    "eval_batches",
    "prepare",
    "prepare_rows",
    "read_rows",
]
