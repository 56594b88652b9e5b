"""Prompts: tasks that a model is to answer, as token ids up to the header of its turn, and what a verifier needs of each."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.data.readers import Quarantine, check_file, parse_rows, read_rows
from fledge.data.rows import TaskRow
from fledge.errors import UserError, flag
from fledge.lang import _, commas
from fledge.records import file_sha256

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer


class Prompts:
    """Tasks with their prompt ids, in order. It answers what a run asks of its data (`training.objective.Data`).

    Attributes:
        tasks, ids: row i and its prompt; inputs: the files, with the sha256 of each.
        too_long: tasks that were left out because there was no room for an answer.
    """

    def __init__(
        self,
        tasks: Sequence[TaskRow],
        ids: Sequence[list[int]],
        inputs: list[dict[str, Any]],
        byte_lengths: Any,
        too_long: int = 0,
    ) -> None:
        self.tasks, self.ids, self.inputs, self.too_long = list(tasks), list(ids), inputs, too_long
        self._byte_lengths = byte_lengths

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.ids))

    num_targets = num_tokens  # every token of a prompt is read; nothing of it is learned

    @property
    def num_bytes(self) -> int:
        return sum(int(self._byte_lengths[ids].sum()) for ids in self.ids)

    @cached_property
    def fingerprint(self) -> str:
        """Names exactly these prompts in this order."""
        return hashlib.sha256(json.dumps(self.ids).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """For the run record."""
        return {
            "inputs": self.inputs,
            "examples": len(self),
            "tokens": self.num_tokens,
            "bytes": self.num_bytes,
            "too_long": self.too_long,
            "fingerprint": self.fingerprint,
        }

    def split(self, fraction: float) -> tuple[Prompts, Prompts]:
        """(train, validation): the last `fraction` of the tasks, at least one, is validation."""
        held = max(1, round(len(self) * fraction))
        if len(self) < 2:
            raise UserError(
                _(
                    "{sources} holds one prompt only: nothing can be held out; add rows, or name others with {flag}."
                ).format(sources=commas(source["file"] for source in self.inputs), flag=flag("val"))
            )
        return self._part(slice(None, -held)), self._part(slice(-held, None))

    def _part(self, part: slice) -> Prompts:
        return Prompts(self.tasks[part], self.ids[part], self.inputs, self._byte_lengths, self.too_long)


def from_files(paths: Iterable[str | Path], tokenizer: Tokenizer, **rest: Any) -> Prompts:
    """The tasks of files; bad rows are counted and said (see `data.readers`)."""
    files = [check_file(path) for path in paths]
    inputs = [{"file": f.name, "bytes": f.stat().st_size, "sha256": file_sha256(f)} for f in files]
    quarantine = Quarantine()
    rows = (row for file in files for row in read_rows(file, "task", quarantine))
    return _prompts(rows, inputs, quarantine, tokenizer, **rest)


def from_rows(rows: Iterable[Any], tokenizer: Tokenizer, name: str = "rows", **rest: Any) -> Prompts:
    """The same for rows in memory: dicts in a schema of tasks, or `TaskRow`s."""
    held = list(rows)
    plain = [dataclasses.asdict(row) if isinstance(row, TaskRow) else row for row in held]
    digest = hashlib.sha256(json.dumps(plain, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass"))
    inputs = [{"file": name, "rows": len(held), "sha256": digest.hexdigest()}]
    quarantine = Quarantine()
    return _prompts(parse_rows(enumerate(held, 1), "task", quarantine, name), inputs, quarantine, tokenizer, **rest)


def _prompts(
    rows: Iterator[Any],
    inputs: list[dict[str, Any]],
    quarantine: Quarantine,
    tokenizer: Tokenizer,
    *,
    room: int,
    refuse: Callable[[TaskRow], str] = lambda task: "",
    notify: Callable[[str], None] | None = None,
) -> Prompts:
    """`room`: tokens that a prompt may have; `refuse`: why a task cannot be used."""
    tell = notify or (lambda sentence: print(f"  {sentence}", file=sys.stderr))
    tasks: list[TaskRow] = []
    ids: list[list[int]] = []
    too_long, longest, files = 0, 0, commas(source["file"] for source in inputs)
    for number, task in enumerate(rows, 1):
        if reason := refuse(task):
            raise UserError(_("{files}, task {number}: {reason}.").format(files=files, number=number, reason=reason))
        prompt = tokenizer.prompt_ids(task.messages, tools=task.tools)
        if len(prompt) > room:
            too_long, longest = too_long + 1, max(longest, len(prompt))
            continue
        tasks.append(task)
        ids.append(prompt)
    if not tasks:
        raise UserError(
            _(
                "{files}: none of its prompts leaves room for an answer: the longest has {longest} tokens, and {flag} "
                "minus {flag2} allows {room}; change one of the two."
            ).format(files=files, longest=longest, flag=flag("seq_len"), flag2=flag("max_new_tokens"), room=room)
        )
    for sentence in (*quarantine.notes, quarantine.summary()):
        if sentence:
            tell(sentence)
    if too_long:
        tell(
            _("{count} prompts of more than {room} tokens are left out ({flag}).").format(
                count=too_long, room=room, flag=flag("seq_len")
            )
        )
    return Prompts(tasks, ids, inputs, tokenizer.byte_lengths(), too_long)
