"""A world as a folder of files: what every stage of training reads, and the truth beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from fledge.errors import UserError
from fledge.lang import _
from fledge.world.facts import World
from fledge.world.stats import Floor, floor
from fledge.world.text import Document, documents

MANIFEST = "world.json"


@dataclass
class Amounts:
    """How much of everything is written; 0 leaves a file out."""

    train_bytes: int = 4_000_000
    """Bytes of pretraining text."""
    val_bytes: int = 200_000
    """Bytes of validation text."""
    conversations: int = 20_000
    preferences: int = 12_000
    tasks: int = 4_000
    tool_dialogues: int = 4_000
    probes: int = 100
    """Probes of each family."""


def _row(row: dict) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _write(path: Path, lines: Iterable[str]) -> dict:
    """Write lines as UTF-8 with `\\n`; return rows, bytes and sha256."""
    digest, size, count = hashlib.sha256(), 0, 0
    with path.open("wb") as file:
        for line in lines:
            data = line.encode("utf-8")
            file.write(data)
            digest.update(data)
            size += len(data)
            count += 1
    return {"rows": count, "bytes": size, "sha256": digest.hexdigest()}


def tag_row(document: Document) -> dict:
    """The tags of one document: spans are [start, end, tag, bits] with start and end in bytes of the UTF-8 text."""
    spans, at = [], 0
    for span in document.spans:
        end = at + len(document.text[span.start : span.end].encode("utf-8"))
        spans.append([at, end, span.tag, round(span.bits, 4)])
        at = end
    return {"kind": document.kind, "lang": document.lang, "bits": round(document.bits, 4), "spans": spans}


def write(
    world: World, folder: Path, amounts: Amounts, *, seed: int = 0, tell: Callable[[str], None] = lambda _: None
) -> dict:
    """Write the files into `folder` (made when absent) and return the manifest, which is also written as `world.json`.

    `pretrain.jsonl` and `pretrain_val.jsonl` ({"text", "lang", "kind"}); beside the latter, row for row,
    `pretrain_val.tags.jsonl` (see `tag_row`); `facts.jsonl` (news have weight 0); `sft.jsonl`, `preferences.jsonl`,
    `tasks.jsonl`, `tools.jsonl`, `probes.jsonl`. `tell` hears the name of every file.
    """
    from fledge.world.chat import conversations
    from fledge.world.preferences import preferences
    from fledge.world.probes import probes
    from fledge.world.tasks import tasks
    from fledge.world.tools import tool_dialogues

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            _("The folder {folder} cannot be made ({error}): name another.").format(folder=folder, error=error.strerror)
        ) from error
    files: dict[str, dict] = {}
    floors: dict[str, Floor] = {}
    for name, split, size in (
        ("pretrain", "train", amounts.train_bytes),
        ("pretrain_val", "validation", amounts.val_bytes),
    ):
        if size:
            tell(f"{name}.jsonl")
            found = list(documents(world, num_bytes=size, seed=seed, split=split))
            texts = ({"text": d.text, "lang": d.lang, "kind": d.kind} for d in found)
            files[f"{name}.jsonl"] = _write(folder / f"{name}.jsonl", map(_row, texts))
            floors[name] = floor(found)
            if split == "validation":
                files[f"{name}.tags.jsonl"] = _write(folder / f"{name}.tags.jsonl", map(_row, map(tag_row, found)))
    rows: dict[str, tuple[int, Callable[[int], Iterable[dict]]]] = {
        "facts": (len(world.facts), lambda _: (asdict(f) for f in world.facts + world.news)),
        "sft": (amounts.conversations, lambda n: conversations(world, n, seed=seed)),
        "preferences": (amounts.preferences, lambda n: preferences(world, n, seed=seed)),
        "tasks": (amounts.tasks, lambda n: tasks(world, n, seed=seed)),
        "tools": (amounts.tool_dialogues, lambda n: tool_dialogues(world, n, seed=seed)),
        "probes": (amounts.probes, lambda n: (asdict(p) for p in probes(world, n, seed=seed))),
    }
    for name, (count, make) in rows.items():
        if count:
            tell(f"{name}.jsonl")
            files[f"{name}.jsonl"] = _write(folder / f"{name}.jsonl", map(_row, make(count)))
    manifest = {
        "size": world.size,
        "seed": world.seed,
        "text_seed": seed,
        "facts": len(world.facts),
        "floor": {name: found.as_dict() for name, found in floors.items()},
        "files": files,
    }
    _write(folder / MANIFEST, [json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"])
    return manifest
