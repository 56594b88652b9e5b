"""Rows → tokens and masks in the files of a folder being built: one function a kind of row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fledge.data.encode import encode_texts, tag_tokens
from fledge.data.rows import ChatRow, JudgedRow, Kind, PreferenceRow, Row, TextRow
from fledge.data.turns import Message
from fledge.errors import UserError
from fledge.lang import _

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer

BATCH_CHARACTERS = 2_000_000  # tokenised at a time: bounds memory, keeps every core busy


class Writer:
    """Appends examples to the files of a folder being built."""

    def __init__(self, folder: Path, dtype: str, masked: bool) -> None:
        self.folder, self.dtype = folder, dtype
        self.tokens = (folder / "tokens.bin").open("wb")
        self.mask = (folder / "mask.bin").open("wb") if masked else None
        self.tags = (folder / "tags.bin").open("wb")  # kept only if any token is tagged
        self.tag_names = [""]
        self.offsets, self.sources, self.targets, self.bytes = [0], [], [], []  # type: ignore[var-annotated]
        self.judgements: list[tuple[bool, float]] = []  # (good, margin) of examples that are judged

    def add(self, source: int, ids: np.ndarray, mask: np.ndarray | None, num_targets: int, num_bytes: int) -> None:
        self.tokens.write(ids.astype(self.dtype).tobytes())
        if self.mask is not None and mask is not None:
            self.mask.write(mask.tobytes())
        self.offsets.append(self.offsets[-1] + len(ids))
        for column, value in ((self.sources, source), (self.targets, num_targets), (self.bytes, num_bytes)):
            column.append(value)

    def close(self, byte_lengths: np.ndarray) -> None:
        """Write the arrays that are complete only now."""
        self.tokens.close()
        if self.mask is not None:
            self.mask.close()
        self.tags.close()
        if len(self.tag_names) == 1:
            (self.folder / "tags.bin").unlink()
        np.save(self.folder / "offsets.npy", np.array(self.offsets, np.int64))
        np.save(self.folder / "source.npy", np.array(self.sources, np.uint16))
        np.save(self.folder / "targets.npy", np.array(self.targets, np.int64))
        np.save(self.folder / "bytes.npy", np.array(self.bytes, np.int64))
        if self.judgements:
            np.save(self.folder / "good.npy", np.array([good for good, _ in self.judgements], bool))
            np.save(self.folder / "margin.npy", np.array([margin for _, margin in self.judgements], np.float32))
        np.save(self.folder / "byte_lengths.npy", byte_lengths.astype(np.int32))


def _write_text(
    rows: Iterator[tuple[int, Row]],
    tokenizer: Tokenizer,
    byte_lengths: np.ndarray,
    writer: Writer,
    dropped: dict[str, int],
) -> None:
    """`[endoftext] + tokens + [endoftext]`; every token but the first is a target."""
    end = np.array([tokenizer.endoftext_id], writer.dtype)
    for group in _groups(rows):
        for (source, row), ids in zip(group, encode_texts(tokenizer, [row.text for _, row in group])):
            tags = tag_tokens(row, ids, byte_lengths, writer.tag_names)
            writer.tags.write(b"\0" + tags.tobytes() + b"\0")
            writer.add(source, np.concatenate([end, ids, end]), None, len(ids) + 1, int(byte_lengths[ids].sum()))


def _write_chats(
    rows: Iterator[tuple[int, Row]],
    tokenizer: Tokenizer,
    byte_lengths: np.ndarray,
    writer: Writer,
    dropped: dict[str, int],
) -> None:
    """As the chat template renders it; the mask comes out of the rendering."""
    for group in _groups(rows):
        chats = [row for _, row in group if isinstance(row, ChatRow)]
        for (source, __), rendered in zip(group, _render(tokenizer, chats)):
            if isinstance(rendered, UserError):
                dropped[str(rendered)] = dropped.get(str(rendered), 0) + 1
                continue
            ids, mask = np.array(rendered[0], np.int64), np.array(rendered[1], bool)
            mask[:1] = False
            if not mask.any():
                reason = _("no token of the assistant to learn from")
                dropped[reason] = dropped.get(reason, 0) + 1
                continue
            writer.add(source, ids, mask, int(mask.sum()), int(byte_lengths[ids[mask]].sum()))


def _write_judged(
    rows: Iterator[tuple[int, Row]],
    tokenizer: Tokenizer,
    byte_lengths: np.ndarray,
    writer: Writer,
    dropped: dict[str, int],
) -> None:
    """Answers and what was said of them: of a pair the chosen one and right behind it the rejected one."""
    for group in _groups(rows):
        for (source, row), answers in zip(group, judged_answers(tokenizer, [row for _, row in group])):
            if isinstance(answers, str):
                dropped[answers] = dropped.get(answers, 0) + 1
                continue
            for name, ids, mask in answers:
                tokens, learned = np.array(ids, np.int64), np.array(mask, bool)
                if learned[-1]:  # the last token of an answer is read too: a reward stands there
                    tokens, learned = np.append(tokens, tokenizer.endoftext_id), np.append(learned, False)
                writer.add(source, tokens, learned, int(learned.sum()), int(byte_lengths[tokens[learned]].sum()))
                margin = row.margin if isinstance(row, PreferenceRow) else 0.0
                writer.judgements.append((name in ("chosen", "good"), margin))


Answer = tuple[str, list[int], list[bool]]


def judged_answers(tokenizer: Tokenizer, rows: Sequence[Row]) -> Iterator[list[Answer] | str]:
    """Of every row its answers as (name, ids, mask), or why it cannot be used.

    The mask is that of fine-tuning, but only for what is judged: the assistant's turns after the prompt.
    """
    parts = [part for row in rows for part in _judged(row)]
    rendered = iter(_render(tokenizer, [ChatRow(messages, tools) for _, messages, tools, _ in parts]))
    for row in rows:
        answers: list[Answer] = []
        reason = ""
        for name, _messages, _tools, before in _judged(row):
            found = next(rendered)
            if isinstance(found, UserError):
                reason = str(found)
                continue
            ids, mask = found[0], _after(found[1], before)
            if not any(mask):
                reason = _("no token of the assistant to learn from")
            answers.append((name, ids, mask))
        if not reason and len(answers) == 2 and answers[0][1] == answers[1][1]:
            reason = _("the chat template writes both answers as the same tokens")
        yield reason or answers


def _judged(row: Row) -> list[tuple[str, list[Message], list[dict] | None, int]]:
    """(name, messages, tools, turns of the assistant that belong to the prompt) of the answers of a row."""
    if isinstance(row, PreferenceRow):
        before = _answers_in(row.prompt)
        sides = (("chosen", row.chosen), ("rejected", row.rejected))
        return [(name, row.prompt + side, row.tools, before) for name, side in sides]
    assert isinstance(row, JudgedRow)
    last = max((i for i, message in enumerate(row.messages) if message["role"] == "user"), default=0)
    return [("good" if row.good else "bad", row.messages, row.tools, _answers_in(row.messages[:last]))]


def _answers_in(messages: list[Message]) -> int:
    return sum(message["role"] == "assistant" for message in messages)


def _after(mask: list[bool], turns: int) -> list[bool]:
    """The mask without its first stretches: those are turns of the prompt. The first token has nothing before it."""
    edges = np.flatnonzero(np.diff(np.array([False, *mask], np.int8)) > 0)
    begin = max(1, int(edges[turns])) if turns < len(edges) else len(mask)
    return [i >= begin and learned for i, learned in enumerate(mask)]


def _render(tokenizer: Tokenizer, chats: list[ChatRow]) -> list[Any]:
    """(ids, mask) of every conversation, or the UserError with which a foreign chat template refused it."""
    try:
        return tokenizer.render_ids_batch([c.messages for c in chats], tools=[c.tools for c in chats])
    except UserError as error:
        return [error] if len(chats) == 1 else [item for chat in chats for item in _render(tokenizer, [chat])]


def _groups(rows: Iterator[tuple[int, Row]]) -> Iterator[list[tuple[int, Any]]]:
    """Rows in groups: enough to keep every core busy, few enough to bound memory."""
    group: list[tuple[int, Row]] = []
    characters = 0
    for source, row in rows:
        group.append((source, row))
        characters += len(row.text) if isinstance(row, TextRow) else 1000
        if characters >= BATCH_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group


Write = Callable[[Iterator[tuple[int, Row]], "Tokenizer", np.ndarray, Writer, dict[str, int]], None]
WRITERS: dict[Kind, Write] = {
    "text": _write_text,
    "chat": _write_chats,
    "preference": _write_judged,
    "judged": _write_judged,
}
