"""Practice data: when a data file with one of MiniMind's names is not there, a small one made of our world takes its place.

The real files are gigabytes and are downloaded by whoever wants them. `dataset/practice.json` remembers which files are ours,
so that a downloaded file is never taken for one of them, nor one of them for the real thing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.data.readers import check_file
from fledge.errors import UserError, quoted
from fledge.interop.minimind.files import Place
from fledge.lang import _
from fledge.records import file_sha256, write_atomic

if TYPE_CHECKING:
    from fledge.world import World

Row = dict[str, Any]

# Enough to see every stage work, little enough that MiniMind's 26M model reads it in minutes on two CPU cores.
TEXT_BYTES = 1_000_000
CONVERSATIONS = 2_000
OTHERS = 500
LIST = "practice.json"


def _texts(world: World) -> Iterator[Row]:
    from fledge.world.text import documents

    return ({"text": document.text} for document in documents(world, num_bytes=TEXT_BYTES))


def _chats(world: World) -> Iterator[Row]:
    from fledge.world.chat import conversations

    return ({"conversations": row["conversations"]} for row in conversations(world, CONVERSATIONS))


def _identity(world: World) -> Iterator[Row]:
    """Who are you, who made you: what MiniMind's lora_identity is about. The name is another one than in the conversations, so
    that one sees what the adapter does."""
    from fledge.world.smalltalk import ANOTHER_NAME, SMALLTALK

    for topics in SMALLTALK.values():
        for questions, answers in topics:
            for number, question in enumerate(questions):
                answer = answers[number % len(answers)]
                for old, new in ANOTHER_NAME.items():
                    answer = answer.replace(old, new)
                turns = (("user", question), ("assistant", answer))
                yield {"conversations": [{"role": role, "content": text} for role, text in turns]}


def _pairs(world: World) -> Iterator[Row]:
    from fledge.world.preferences import preferences

    return ({key: row[key] for key in ("chosen", "rejected")} for row in preferences(world, OTHERS))


def _prompts(world: World) -> Iterator[Row]:
    from fledge.world.tasks import tasks

    return ({"conversations": row["conversations"]} for row in tasks(world, OTHERS))


def _agent(world: World) -> Iterator[Row]:
    """Questions that a tool answers; the truth is what it says last."""
    from fledge.world.tools import tool_dialogues

    for row in tool_dialogues(world, OTHERS):
        turns: Any = row["conversations"]
        said = [json.loads(turn["content"]) for turn in turns if turn["role"] == "tool"]
        if said and "result" in said[-1]:
            yield {"conversations": [*turns[:2], {"role": "assistant", "content": ""}], "gt": [str(said[-1]["result"])]}


def _sums(world: World) -> Iterator[Row]:
    from fledge.world.tasks import tasks

    return ({key: row[key] for key in ("conversations", "gt")} for row in tasks(world, OTHERS, families=("sum",)))


def _traces(world: World) -> Iterator[Row]:
    """Questions over two facts, with what is thought on the way."""
    from fledge.world.twohop import traces

    return (row for lang in ("zh", "en") for row in traces(world, lang))


MAKERS: dict[str, Callable[[World], Iterable[Row]]] = {
    **dict.fromkeys(("pretrain_hq", "pretrain_t2t_mini", "pretrain_t2t"), _texts),
    **dict.fromkeys(("sft_mini_512", "sft_512", "sft_1024", "sft_2048", "sft_t2t_mini", "sft_t2t", "lora_medical"), _chats),
    "r1_mix_1024": _traces,
    "lora_identity": _identity,
    "dpo": _pairs,
    **dict.fromkeys(("rlaif-mini", "rlaif"), _prompts),
    "agent_rl": _agent,
    "agent_rl_math": _sums,
}  # fmt: skip


def find_data(place: Place, path: Path) -> Path:
    """The data file; a missing one of MiniMind's in `dataset/` is made and announced. UserError for any other."""
    known = path.suffix == ".jsonl" and path.stem in MAKERS and path.parent == place.root / "dataset"
    shown = place.shown(path)
    real = f"`fledge data get {path.stem} --to {quoted(place.shown(path.parent))} --force`"
    if not path.exists() and known:
        count = _make(path)
        print(
            _(
                "There is no {shown}: {count:,} rows of practice data were written from our small world, "
                "to be learned in minutes. The real file: {real}"
            ).format(shown=shown, count=count, real=real)
        )
    elif not path.exists():
        names = ", ".join(sorted(p.name for p in path.parent.glob("*.jsonl"))) if path.parent.is_dir() else ""
        there = _("that folder has no .jsonl files")
        if names:
            there = _("in that folder are {names}").format(names=names)
        raise UserError(
            _("there is no data file {shown} ({there}): check --data_path.").format(shown=shown, there=there)
        )
    elif is_practice(check_file(path)):
        print(
            _("{shown} is practice data of our small world, not MiniMind's. The real file: {real}").format(
                shown=shown, real=real
            )
        )
    return path


def is_practice(path: Path) -> bool:
    """Whether this very content was written by us."""
    found = _listed(path.parent).get(path.name)
    return found is not None and path.stat().st_size == found["bytes"] and file_sha256(path) == found["sha256"]


def practice_hashes(place: Place) -> set[str]:
    """The sha256 of every practice file in `dataset/`."""
    return {entry["sha256"] for entry in _listed(place.root / "dataset").values()}


def _make(path: Path) -> int:
    from fledge.world import World

    rows = list(MAKERS[path.stem](World.build("small")))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    entry = {"bytes": path.stat().st_size, "sha256": file_sha256(path), "rows": len(rows)}
    write_atomic(path.parent / LIST, json.dumps(_listed(path.parent) | {path.name: entry}, indent=1) + "\n")
    return len(rows)


def _listed(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
