"""Dataset: tokenised examples on disk, opened by memory map; loading is a pointer move.

An example is a run of tokens of `tokens.bin`. A text document is `[endoftext] + tokens + [endoftext]` and every token
but the first is a target; of a conversation the tokens marked in `mask.bin` are. `split` makes views: no token is
copied.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fledge.errors import UserError, advice
from fledge.lang import _, commas


class Dataset:
    """A prepared folder, or a view of some of it.

    Attributes:
        manifest: what the folder was made from and holds (`manifest.json`).
        tokens: uint16 or uint32 [all tokens of the folder]; mask: bool, or None for text; tags: uint8, or None.
        starts, ends: int64 [n]: example i is `tokens[starts[i]:ends[i]]`.
        sources: uint16 [n]: which of `manifest["inputs"]` an example came from.
        good, margins: bool and float32 [n], of judged answers (see `data.writers`): whether an answer is a good one, and by how
            much its pair should be told apart; None for other rows.
        targets, bytes: int64 [n]: an example's number of targets, and of the UTF-8 bytes that its targets spell.
        byte_lengths: int32 [vocabulary]: the UTF-8 bytes of every token (0 for control tokens).
        tag_names: the name of every tag; tag 0 is "" (untagged).
    """

    def __init__(
        self,
        folder: Path,
        manifest: dict[str, Any],
        stores: tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray],
        examples: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
        judgements: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.folder, self.manifest = folder, manifest
        self.good: np.ndarray | None
        self.margins: np.ndarray | None
        self.good, self.margins = judgements or (None, None)
        self.tokens, self.mask, self.tags, self.byte_lengths = self._stores = stores
        self.starts, self.ends, self.sources, self.targets, self.bytes = self._examples = examples
        self.tag_names: list[str] = manifest.get("tags") or [""]

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """Open a prepared folder (its hashes are checked by `prepare`, not here)."""
        folder = Path(folder)
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                _("{folder} is not a prepared dataset (no readable manifest.json): {error}").format(
                    folder=folder, error=error
                )
            ) from None

        def store(name: str, dtype: Any) -> np.ndarray | None:
            return np.memmap(folder / name, dtype=dtype, mode="r") if name in manifest["files"] else None

        tokens = store("tokens.bin", manifest["dtype"])
        assert tokens is not None
        offsets = np.load(folder / "offsets.npy")
        stores = (tokens, store("mask.bin", bool), store("tags.bin", np.uint8), np.load(folder / "byte_lengths.npy"))
        per_example = [np.load(folder / f"{name}.npy") for name in ("source", "targets", "bytes")]
        judged = "good.npy" in manifest["files"]
        judgements = (np.load(folder / "good.npy"), np.load(folder / "margin.npy")) if judged else None
        return cls(folder, manifest, stores, (offsets[:-1], offsets[1:], *per_example), judgements)

    def __len__(self) -> int:
        return len(self.starts)

    def __repr__(self) -> str:
        return f"Dataset({len(self)} examples, {self.num_tokens} tokens, {self.num_targets} targets)"

    def example(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Example i: ids [n] and mask bool [n]; mask[j] says that ids[j] is a target, predicted from ids[:j]."""
        start, end = self.starts[i], self.ends[i]
        ids = np.asarray(self.tokens[start:end])
        mask = np.ones(len(ids), bool) if self.mask is None else np.array(self.mask[start:end])
        mask[0] = False  # nothing comes before the first token
        return ids, mask

    @property
    def together(self) -> int:
        """Neighbouring examples that belong together: the two answers of a pair."""
        return 2 if self.manifest.get("kind") == "preference" else 1

    @property
    def num_tokens(self) -> int:
        return int((self.ends - self.starts).sum())

    @property
    def num_targets(self) -> int:
        return int(self.targets.sum())

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of the text whose tokens are targets: the denominator of bits per byte."""
        return int(self.bytes.sum())

    def source_names(self) -> list[str]:
        return [source["file"] for source in self.manifest["inputs"]]

    def describe(self) -> dict[str, Any]:
        """What a run record needs to name this data: hashes of the inputs and the sizes of this view."""
        return {
            "key": self.manifest["key"],
            "inputs": self.manifest["inputs"],
            "examples": len(self),
            "tokens": self.num_tokens,
            "targets": self.num_targets,
            "bytes": self.num_bytes,
            "fingerprint": self.fingerprint,
        }

    @cached_property
    def fingerprint(self) -> str:
        """Names exactly these examples in this order: a data cursor is only valid for the dataset it was made on."""
        digest = hashlib.sha256(self.manifest["content"].encode())
        digest.update(np.ascontiguousarray(self.starts).tobytes())
        digest.update(np.ascontiguousarray(self.ends).tobytes())
        return digest.hexdigest()[:16]

    def split(self, fraction: float) -> tuple[Dataset, Dataset]:
        """Return (train, validation): the last `fraction` of the bytes of every source is validation.

        The two answers of a pair stay together. The cut falls between two examples where one lies near enough; else (few
        long documents) inside one, and the token before the cut is then the context of the first validation token. No token
        is a target in both.
        """
        train: list[np.ndarray] = []  # columns of (example, start, end)
        val: list[np.ndarray] = []
        for source in np.unique(self.sources):
            index = np.flatnonzero(self.sources == source)
            ahead = np.concatenate([[0], np.cumsum(self.bytes[index])])
            goal = ahead[-1] * (1 - fraction)
            cut = int(np.abs(ahead - goal).argmin())
            cut -= cut % self.together
            pieces = np.stack([index, self.starts[index], self.ends[index]])
            if self.mask is None and abs(ahead[cut] - goal) > 0.25 * fraction * ahead[-1]:
                cut = int(np.searchsorted(ahead, goal, side="right")) - 1
                inside = self._token_at_byte(index[cut], goal - ahead[cut])
                before, after = pieces[:, : cut + 1].copy(), pieces[:, cut:].copy()
                before[2, -1], after[1, 0] = inside + 1, inside
            else:
                if len(index) > self.together:
                    cut = min(max(cut, self.together), len(index) - self.together)
                before, after = pieces[:, :cut], pieces[:, cut:]
            train.append(before)
            val.append(after)
        first, second = np.concatenate(train, 1), np.concatenate(val, 1)
        if not first.size or not second.size:
            ways = advice(("", _("add rows")), ("val", _("name validation files with {}")))
            raise UserError(
                _("{sources} holds {num_examples} example(s), too few to hold {fraction:.0%} out: {ways}").format(
                    sources=commas(self.source_names()), num_examples=len(self), fraction=fraction, ways=ways
                )
            )
        return self._view(first), self._view(second)

    def _token_at_byte(self, i: int, byte: float) -> int:
        """The absolute position of the last token of document i that ends before `byte` bytes of its text."""
        start, end = int(self.starts[i]), int(self.ends[i])
        ends_at = np.cumsum(self.byte_lengths[self.tokens[start:end]])
        inside = int(np.searchsorted(ends_at, byte, side="right")) - 1
        return start + min(max(inside, 1), end - start - 2)

    def _view(self, pieces: np.ndarray) -> Dataset:
        """Examples, or parts of text documents, as a dataset over the same files; int64 [3, n] of example, start, end."""
        index, starts, ends = pieces.astype(np.int64)
        targets, bytes_ = self.targets[index], self.bytes[index]
        for k in np.flatnonzero((starts != self.starts[index]) | (ends != self.ends[index])):
            targets[k] = ends[k] - starts[k] - 1
            bytes_[k] = self.byte_lengths[self.tokens[starts[k] + 1 : ends[k]]].sum()
        judgements = None if self.good is None else (self.good[index], self.margins[index])  # type: ignore[index]
        examples = (starts, ends, self.sources[index], targets, bytes_)
        return Dataset(self.folder, self.manifest, self._stores, examples, judgements)
