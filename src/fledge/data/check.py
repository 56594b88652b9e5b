"""Look at a data file the way training will: which schema, what is wrong, how long, and which tokens are learned."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fledge.data.encode import encode_texts
from fledge.data.pairs import shortened
from fledge.data.readers import Bad, check_file, mostly_bad, raw_rows
from fledge.data.rows import KINDS, Kind, Row, TextRow, conversations_of, parse, schema_of, texts_of
from fledge.data.turns import BadRow
from fledge.data.writers import judged_answers
from fledge.errors import UserError
from fledge.lang import _

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer

TOKENISED = 20_000_000  # characters: enough for the histogram of any file, seconds of work
LEARNED_FROM = 3_000_000  # characters that a tokenizer is trained on when none is given
VOCABULARY = 4096


@dataclass
class Example:
    """One row as tokens. `mask`: which are targets; `name`: chosen, rejected, … where a row gives several."""

    line: int
    name: str
    ids: list[int]
    mask: list[bool]


@dataclass
class DataCheck:
    """What `check` found. `lengths`: tokens of every row that was tokenised (`partial`: the file goes on after them)."""

    path: Path
    kind: Kind
    tokenizer: Tokenizer
    own_tokenizer: bool
    schemas: dict[str, int]
    good: int = 0
    bad: list[Bad] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    trained: int = 0
    partial: bool = False
    longer: int = 0  # than seq_len
    lost: int = 0  # whose targets all lie behind seq_len
    notes: list[str] = field(default_factory=list)  # what was mended, or read otherwise than the name says

    def as_dict(self) -> dict[str, Any]:
        quantiles = np.quantile(self.lengths, (0, 0.5, 0.9, 0.99, 1)).astype(int).tolist() if self.lengths else []
        return {
            "file": str(self.path),
            "kind": self.kind,
            "schemas": self.schemas,
            "rows": self.good,
            "bad_rows": len(self.bad),
            "bad": [{"line": bad.line, "reason": bad.reason} for bad in self.bad[:100]],
            "notes": self.notes,
            "tokenizer": f"trained on this file ({self.tokenizer.vocab_size} tokens)"
            if self.own_tokenizer
            else "given",
            "tokenised_rows": len(self.lengths),
            "tokens": sum(self.lengths),
            "trained_tokens": self.trained,
            "lengths": dict(zip(("min", "median", "p90", "p99", "max"), quantiles)),
            "longer_than_seq_len": self.longer,
            "no_target_within_seq_len": self.lost,
            "examples": [
                {"line": e.line, "name": e.name, "ids": e.ids, "mask": [int(m) for m in e.mask]} for e in self.examples
            ],
        }


def check(path: str | Path, tokenizer: Tokenizer | None = None, *, rows: int = 5, seq_len: int = 512) -> DataCheck:
    """Read a whole file and report. Bad rows are counted here, never raised; a file without one good row is a UserError."""
    path = check_file(path)
    schemas, kind, unknown = _schemas(path)
    if not schemas:
        if not unknown:
            raise UserError(_("{path} holds no rows: give a file with at least one").format(path=path))
        line, reason = unknown[0].line, unknown[0].reason
        raise UserError(
            _("{path}: none of its rows can be read; line {line}: {reason}").format(path=path, line=line, reason=reason)
        )
    found = DataCheck(path, kind, tokenizer or _train_on(path, kind), tokenizer is None, schemas)
    characters = 0
    group: list[tuple[int, Row]] = []
    for line, row in _good_rows(path, kind, found.bad, found.notes):
        found.good += 1
        if characters >= TOKENISED:
            found.partial = True
            continue
        group.append((line, row))
        size = sum(map(len, texts_of(row)))
        characters += size
        if len(group) == 1000 or size > 1_000_000:
            _measure(found, group, rows, seq_len)
            group = []
    if group:
        _measure(found, group, rows, seq_len)
    if not found.good:
        raise mostly_bad(path, kind, 0, found.bad)
    return found


def _schemas(path: Path) -> tuple[dict[str, int], Kind, list[Bad]]:
    """How many rows have which schema, the kind that most rows are of, and the rows of no schema; MiniMind rows with `gt` are
    tasks."""
    counts: Counter[str] = Counter()
    kinds: Counter[Kind] = Counter()
    unknown: list[Bad] = []
    for line, raw in raw_rows(path, "text"):
        try:
            if isinstance(raw, BadRow):
                raise raw
            schema = schema_of(raw)
        except BadRow as error:
            unknown.append(Bad(path.name, line, str(error)))
            continue
        task = schema not in KINDS and "gt" in raw
        counts["task" if task else schema] += 1
        kinds["task" if task else KINDS.get(schema, ("chat",))[0]] += 1
    return dict(counts.most_common()), kinds.most_common(1)[0][0] if kinds else "text", unknown


def _good_rows(path: Path, kind: Kind, bad: list[Bad], notes: list[str]) -> Iterator[tuple[int, Row]]:
    for line, raw in raw_rows(path, kind, notes.append):
        try:
            yield line, parse(raw, kind)
        except BadRow as error:
            bad.append(Bad(path.name, line, str(error)))


def _train_on(path: Path, kind: Kind) -> Tokenizer:
    """A small tokenizer of the file itself, for a first look."""
    from fledge.tokenizer import Tokenizer

    texts: list[str] = []
    bad: list[Bad] = []
    characters = 0
    for _, row in _good_rows(path, kind, bad, []):
        texts += [text[: LEARNED_FROM - characters] for text in texts_of(row)]
        characters += sum(map(len, texts_of(row)))
        if characters >= LEARNED_FROM:
            break
    if not characters:
        raise mostly_bad(path, kind, 0, bad)
    return Tokenizer.train(texts, VOCABULARY)


def _measure(found: DataCheck, group: list[tuple[int, Row]], rows: int, seq_len: int) -> None:
    """Tokenise rows, keep the first `rows` for showing, count the rest."""
    for line, several in itertools.groupby(_tokenise(found, group), lambda example: example.line):
        examples = list(several)
        found.lengths.append(sum(len(example.ids) for example in examples))
        found.trained += sum(sum(example.mask) for example in examples)
        sizes = [len(example.ids) - 1 for example in examples]
        if sum(sizes) > seq_len:
            found.longer += 1
            kept = shortened(np.array([sizes]), seq_len)[0]
            found.lost += not all(any(example.mask[: size + 1]) for example, size in zip(examples, kept))
        if len({e.line for e in found.examples} | {line}) <= rows:
            found.examples += examples


def _tokenise(found: DataCheck, group: list[tuple[int, Row]]) -> Iterator[Example]:
    """Every row as it would be trained on: of a pair both answers. What the chat template makes useless goes to the bad rows."""
    tokenizer = found.tokenizer
    if isinstance(group[0][1], TextRow):
        texts = [row.text[:TOKENISED] for _, row in group if isinstance(row, TextRow)]
        for (line, _), ids in zip(group, encode_texts(tokenizer, texts)):
            end = tokenizer.endoftext_id
            yield Example(line, "", [end, *ids.tolist(), end], [False] + [True] * (len(ids) + 1))
        return
    if found.kind in ("preference", "judged"):
        for (line, _row), answers in zip(group, judged_answers(tokenizer, [row for _, row in group])):
            if isinstance(answers, str):
                found.bad.append(Bad(found.path.name, line, answers))
                found.good -= 1
                continue
            yield from (Example(line, *answer) for answer in answers)
        return
    parts = [(line, *part) for line, row in group for part in conversations_of(row)]
    rendered = tokenizer.render_ids_batch([part[2] for part in parts], tools=[part[3] for part in parts])
    for (line, name, _, _), (rendered_ids, mask) in zip(parts, rendered):
        yield Example(line, name, rendered_ids, mask)
