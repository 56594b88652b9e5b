"""Data: row formats, readers, tokenised shards, packed batches. `prepare` → `Dataset` → `PackedBatches` → `Batch`."""

from fledge.data.batches import Batch, PackedBatches, eval_batches
from fledge.data.dataset import Dataset
from fledge.data.mixture import Mixture
from fledge.data.readers import Quarantine, read_rows
from fledge.data.shards import prepare, prepare_rows

__all__ = [
    "Batch",
    "Dataset",
    "Mixture",
    "PackedBatches",
    "Quarantine",
    "eval_batches",
    "prepare",
    "prepare_rows",
    "read_rows",
]
