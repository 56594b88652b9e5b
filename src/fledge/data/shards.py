"""Prepare once: rows → tokens on disk, cached under the hash of the inputs and the tokenizer.

A prepared folder holds `tokens.bin` (uint16 or uint32), `mask.bin` (bool, conversations), `tags.bin` (uint8, tagged
text), `offsets.npy`, `source.npy`, `targets.npy`, `bytes.npy` (per example; of judged answers also `good.npy` and
`margin.npy`), `byte_lengths.npy` (per token of the vocabulary), `quarantine.jsonl` (rows that could not be read) and
`manifest.json` with the sha256 of everything; its `content` names what was read whatever the files are called, so that a run
goes on after they were renamed. A folder is written beside its place and renamed when complete; one whose hashes no longer
match is rebuilt.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fledge.data.dataset import Dataset
from fledge.data.readers import Quarantine, check_file, parse_rows, read_rows
from fledge.data.rows import Kind, Row
from fledge.data.writers import WRITERS, Writer
from fledge.errors import UserError
from fledge.lang import _
from fledge.records import cache_root, dumps, file_sha256

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer

FORMAT = 2  # of the folder, and of what the readers make of a file; part of the cache key


def prepare(
    paths: str | Path | Iterable[str | Path],
    tokenizer: Tokenizer,
    *,
    kind: Kind,
    out_dir: str | Path | None = None,
    notify: Callable[[str], None] | None = None,
) -> Dataset:
    """Tokenise files into a folder, or open the folder if that was done before.

    Args:
        paths: one or more files (see `readers`).
        kind: "text", "chat", "preference" (two examples a row, side by side) or "judged".
        out_dir: where to; default a folder named by the hash under `cache_root()`.
        notify: receives one sentence for everything the user should know (rows left out, a damaged cache); default:
            stderr.
    """
    files = [check_file(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    if not files:
        raise UserError(_("no data files were given: name at least one .txt, .jsonl, .json, .csv or .parquet file"))
    inputs = [{"file": f.name, "bytes": f.stat().st_size, "sha256": file_sha256(f)} for f in files]

    def rows(quarantine: Quarantine) -> Iterator[tuple[int, Row]]:
        for number, file in enumerate(files):
            for row in read_rows(file, kind, quarantine):
                yield number, row

    return _open_or_build(rows, tokenizer, kind, inputs, out_dir, notify or _stderr)


def prepare_rows(
    rows: Iterable[Any],
    tokenizer: Tokenizer,
    *,
    kind: Kind,
    name: str = "rows",
    out_dir: str | Path | None = None,
    notify: Callable[[str], None] | None = None,
) -> Dataset:
    """Like `prepare` for rows in memory: strings (text), dicts in any schema, or row types of `fledge.data.rows`."""
    held = list(rows)
    digest = hashlib.sha256()
    for row in held:
        plain = dataclasses.asdict(row) if dataclasses.is_dataclass(row) and not isinstance(row, type) else row
        digest.update(json.dumps(plain, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass") + b"\n")
    inputs = [{"file": name, "rows": len(held), "sha256": digest.hexdigest()}]

    def read(quarantine: Quarantine) -> Iterator[tuple[int, Row]]:
        for row in parse_rows(enumerate(held, 1), kind, quarantine, name):
            yield 0, row

    return _open_or_build(read, tokenizer, kind, inputs, out_dir, notify or _stderr)


def same_files(recorded: Iterable[dict[str, Any]], paths: Iterable[str | Path]) -> bool:
    """Whether files are those of a record (`Dataset.describe()["inputs"]`), wherever they lie now and whatever their names."""
    return [source.get("sha256") for source in recorded] == [file_sha256(check_file(path)) for path in paths]


def tokenizer_sha256(tokenizer: Tokenizer) -> str:
    """The hash of the tokenizer's saved files: vocabulary, merges and chat template."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file():
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _open_or_build(
    rows: Callable[[Quarantine], Iterator[tuple[int, Row]]],
    tokenizer: Tokenizer,
    kind: Kind,
    inputs: list[dict[str, Any]],
    out_dir: str | Path | None,
    notify: Callable[[str], None],
) -> Dataset:
    """`rows` yields (number of the input, row) and fills the quarantine on the way; it is called only when needed."""
    facts = {"format": FORMAT, "kind": kind, "inputs": inputs, "tokenizer": tokenizer_sha256(tokenizer)}
    key = _digest(facts)
    content = _digest(facts | {"inputs": [source["sha256"] for source in inputs]})
    folder = Path(out_dir) if out_dir else cache_root() / "data" / key[:16]
    found = _state(folder, key)
    if found == "damaged":
        notify(_("the prepared data in {folder} is damaged and is made again").format(folder=folder))
    if found != "valid":
        _build(rows, tokenizer, kind, {**facts, "key": key, "content": content}, folder)
    dataset = Dataset.open(folder)
    for note in dataset.manifest["notes"]:
        notify(note)
    if dataset.manifest["quarantined"]:
        said, listed = dataset.manifest["quarantine_summary"], folder / "quarantine.jsonl"
        notify(_("{said} (all are listed in {listed})").format(said=said, listed=listed))
    for reason, count in dataset.manifest["dropped"].items():
        notify(_("{count} conversations are left out: {reason}").format(count=count, reason=reason))
    return dataset


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _state(folder: Path, key: str) -> str:
    """What stands at `folder`: nothing, "other" (data of ours with another key), "damaged", or "valid"."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return "nothing"
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise UserError(
            _("{folder} exists and is not a prepared dataset (no manifest.json): choose another folder").format(
                folder=folder
            )
        )
    try:
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        if facts["key"] != key:
            return "other"
        for name, file in facts["files"].items():
            if (folder / name).stat().st_size != file["bytes"] or file_sha256(folder / name) != file["sha256"]:
                return "damaged"
    except (OSError, ValueError, KeyError, TypeError):
        return "damaged"
    return "valid"


def _build(
    rows: Callable[[Quarantine], Iterator[tuple[int, Row]]],
    tokenizer: Tokenizer,
    kind: Kind,
    facts: dict[str, Any],
    folder: Path,
) -> None:
    write = WRITERS[kind]
    folder.parent.mkdir(parents=True, exist_ok=True)
    quarantine = Quarantine()
    dropped: dict[str, int] = {}  # reason -> conversations
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        byte_lengths = np.asarray(tokenizer.byte_lengths())
        writer = Writer(partial, "uint16" if tokenizer.vocab_size <= 1 << 16 else "uint32", masked=kind != "text")
        try:
            write(_progress(rows(quarantine), facts["inputs"], writer), tokenizer, byte_lengths, writer, dropped)
        finally:
            writer.close(byte_lengths)
        if len(writer.offsets) == 1:
            file, reason = facts["inputs"][0]["file"], next(iter(dropped))
            raise UserError(_("{file}: no conversation can be used: {reason}").format(file=file, reason=reason))
        with (partial / "quarantine.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(dumps(dataclasses.asdict(bad)) + "\n" for bad in quarantine.bad)
        manifest = {
            **facts,
            "vocab_size": tokenizer.vocab_size,
            "dtype": writer.dtype,
            "examples": len(writer.sources),
            "tokens": writer.offsets[-1],
            "targets": sum(writer.targets),
            "bytes": sum(writer.bytes),
            "quarantined": len(quarantine.bad),
            "quarantine_summary": quarantine.summary(),
            "notes": quarantine.notes,
            "dropped": dropped,
            "tags": writer.tag_names,
            "files": {f.name: {"bytes": f.stat().st_size, "sha256": file_sha256(f)} for f in sorted(partial.iterdir())},
        }
        (partial / "manifest.json").write_text(dumps(manifest, indent=1), encoding="utf-8", newline="\n")
        _put(partial, folder, facts["key"])
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put(partial: Path, folder: Path, key: str) -> None:
    """Rename the finished folder into place. Another process may have been faster: its result is the same."""
    try:
        if folder.exists():  # a rename onto a folder is refused
            shutil.rmtree(folder)
        os.replace(partial, folder)
    except OSError as error:
        if not (folder.exists() and _state(folder, key) == "valid"):
            raise UserError(
                _("the prepared data cannot be put into {folder} ({error}): is it open elsewhere?").format(
                    folder=folder, error=error
                )
            ) from None


def _progress(
    rows: Iterator[tuple[int, Row]], inputs: list[dict[str, Any]], writer: Writer
) -> Iterator[tuple[int, Row]]:
    """Pass rows on, with a line on the terminal about how far it is."""
    from rich.progress import SpinnerColumn, TimeElapsedColumn

    from fledge.display.terminal import progress

    with progress(SpinnerColumn(), "{task.description}", TimeElapsedColumn()) as shown:
        task = shown.add_task("")
        for number, (source, row) in enumerate(rows):
            if number % 100 == 0:
                where = f"{inputs[source]['file']} ({source + 1}/{len(inputs)})"
                tokens = writer.offsets[-1]
                words = _("Preparing {where}: {number:,} rows, {tokens:,} tokens").format(
                    where=where, number=number, tokens=tokens
                )
                shown.update(task, description=words)
            yield source, row


def _stderr(message: str) -> None:
    print(message, file=sys.stderr)
