"""Clean files: every row goes through the stages in turn, and leaves as it is, changed, or with the reason why not.

    read      a row that training could not read
    repair    encoding mended (changes); dropped when more than one character in a hundred is lost
    pii       masks (changes)
    length    language    repetition    filters
    exact     an earlier row has the same text
    benchmark a test item is in it
    near      an earlier row has nearly the same text

What changes texts comes before what judges them, so that cleaning the result again changes nothing. The rows pass one
by one; what stays in memory is 8 bytes a row of where it stands, about 100 of its hash and 200 of its signature.
"""

from __future__ import annotations

import json
import os
import re
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fledge.data.clean import filters, pii
from fledge.data.clean.answers import bad_answer
from fledge.data.clean.benchmarks import Benchmarks
from fledge.data.clean.dedup import NearCopies, exact_key
from fledge.data.clean.repair import lost, repair
from fledge.data.clean.report import CleaningReport, CleaningStage, around
from fledge.data.clean.rows import judged_texts, places
from fledge.data.clean.units import unit_hashes
from fledge.data.readers import check_file, raw_rows
from fledge.data.rows import ChatRow, Row, parse_any
from fledge.data.turns import BadRow
from fledge.errors import UserError
from fledge.lang import _

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
STAGES = ("read", "repair", "pii", "answers", "length", "language", "repetition", "exact", "benchmark", "near")


@dataclass(frozen=True)
class Options:
    """Which stages run (read always does, benchmark when `against` names files), and their bounds."""

    repair: bool = True
    pii: bool = True
    answers: bool = False
    length: bool = True
    language: bool = True
    repetition: bool = True
    exact: bool = True
    near: bool = True
    against: tuple[Path, ...] = ()
    languages: tuple[str, ...] = ("zh", "en")
    min_chars: int = 2
    max_chars: int = 0
    similarity: float = 0.75


def dropped_path(out: Path) -> Path:
    return out.with_name(f"{out.stem}.dropped.jsonl")


def clean(
    files: Iterable[str | Path],
    out: Path,
    options: Options | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> CleaningReport:
    """Clean `files` into `out` (JSON lines, each row in the schema it had) and OUT.dropped.jsonl (what went, and why).

    Both appear when all is done, or not at all. `progress(rows)` is called now and then. UserError for a file that
    cannot be read; a row that cannot is only dropped.
    """
    options = options or Options()
    paths = [check_file(path) for path in files]
    if out.suffix != ".jsonl":
        raise UserError(_("'{out}' must end in .jsonl: that is what is written.").format(out=out))
    for path in paths:
        if path.resolve() in (out.resolve(), dropped_path(out).resolve()):
            raise UserError(_("'{out}' would replace the file that is read: give another name.").format(out=out))
    out.parent.mkdir(parents=True, exist_ok=True)
    parts = [
        path.with_name(f".{path.name}.{os.getpid()}.part")
        for path in (out, dropped_path(out), out.with_suffix(".near"))
    ]
    try:
        with parts[0].open("wb") as kept, parts[1].open("wb") as dropped:
            run = _Run(paths, out, options, kept, dropped)
            for number, path in enumerate(paths):
                for line, raw in raw_rows(path, "text", run.report.notes.append):
                    run.row(number, line, raw)
                    if run.report.rows_in % 1000 == 0:
                        progress(run.report.rows_in)
        if options.near:
            with parts[0].open("rb") as kept, parts[1].open("ab") as dropped, parts[2].open("wb") as fewer:
                run.drop_near_copies(kept, fewer, dropped)
            os.replace(parts[2], parts[0])
        report = run.finish()
        os.replace(parts[1], dropped_path(out))
        os.replace(parts[0], out)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return report


class _Run:
    """One cleaning: what has been seen so far, and the open files."""

    def __init__(self, paths: list[Path], out: Path, options: Options, kept: IO[bytes], dropped: IO[bytes]):
        self.options, self.kept, self.dropped = options, kept, dropped
        names = [path.name for path in paths]
        self.names = [name if names.count(name) == 1 else str(path) for name, path in zip(names, paths)]
        on = [
            name
            for name in STAGES
            if name == "read" or (options.against if name == "benchmark" else getattr(options, name))
        ]
        self.report = CleaningReport(
            [str(path) for path in paths], str(out), str(dropped_path(out)), [CleaningStage(name) for name in on]
        )
        self.stages = {stage.name: stage for stage in self.report.stages}
        self.benchmarks = Benchmarks.read(list(options.against)) if options.against else None
        self.report.unchecked = self.benchmarks.short if self.benchmarks else 0
        self.keys: dict[int, int] = {}
        self.near = NearCopies()
        self.origins = array("q")  # of the rows written: file << 40 | line
        self.begun = time.perf_counter()

    def row(self, file: int, line: int, raw: Any) -> None:
        """Take one row through the stages, and write it to one of the two files."""
        self.report.rows_in += 1
        origin = file << 40 | line
        try:
            row = parse_any(raw)
        except BadRow as error:
            known = None if isinstance(raw, BadRow) else raw
            return self._drop("read", origin, known, "" if known is None else _ENCODER.encode(known), str(error))
        if refused := self._change(raw, row, origin):
            return self._drop("repair", origin, raw, "\n".join(judged_texts(raw)), refused)
        texts = judged_texts(raw)
        text = "\n".join(texts)
        if self.options.answers and isinstance(row, ChatRow) and (refused := bad_answer(row.messages)):
            return self._drop("answers", origin, raw, text, refused)
        if found := self._judge(text, texts, origin):
            return self._drop(found[0], origin, raw, text, *found[1:])
        self.kept.write(_line(raw))
        self.origins.append(origin)

    def _change(self, raw: dict, row: Row, origin: int) -> str:
        """Repair and mask the texts of a row (`row`: as it was read) in place; why it must go, or ""."""
        changed = damaged = total = 0
        for container, key, __ in list(places(raw)):
            before = text = container[key]
            if self.options.repair:
                text = repair(text)
                if text != before:
                    self._changed("repair", _("text repaired"), origin, _difference(before, text))
                damaged += lost(text)
                total += len(text)
            if self.options.pii:
                found: Counter[str] = Counter()
                masked = pii.mask(text, found)
                for tag in found:
                    self._changed("pii", tag, origin, around(masked, masked.index(tag)), found[tag])
                text = masked
            if text != before:
                container[key] = text
                changed += 1
        if damaged > 0.01 * total:
            return _("characters are lost (U+FFFD)")
        if not changed:
            return ""
        if raw.pop("spans", None):  # they count characters that are no longer there
            self._changed("repair", _("spans removed"), origin, "")
        try:
            return "" if type(parse_any(raw)) is type(row) else _("nothing is left of its answer")
        except BadRow as error:
            return str(error)

    def _changed(self, stage: str, what: str, origin: int, text: str, times: int = 1) -> None:
        if stage in self.stages:
            self.stages[stage].changed += 1
            self.stages[stage].changes[what] += times
            self.stages[stage].note(what, *self._where(origin), text)

    def _judge(self, text: str, texts: list[str], origin: int) -> tuple[Any, ...] | None:
        """(stage, reason, what it matched) of the first stage that refuses the row, whose texts together are `text`."""
        options = self.options
        each = [filters.counts_of(part) for part in texts]
        counts = each[0] if len(each) == 1 else [sum(column) for column in zip(*each)]
        if options.length and (reason := filters.wrong_length(counts, options.min_chars, options.max_chars)):
            return "length", reason[0], {"characters": reason[1]}
        shares = filters.language(counts)
        if options.language and (reason := filters.wrong_language(shares, options.languages)):
            return "language", reason[0], {"share": round(reason[1], 3)}
        if options.repetition:
            for part, own in zip(texts, each):
                if reason := filters.repetition(part, own):
                    return "repetition", reason[0], {"share": round(reason[1], 3)}
        if options.exact:
            key = exact_key(text)
            if key in self.keys:
                return "exact", _("the same text"), self._match(self.keys[key])
            self.keys[key] = origin
        if self.benchmarks or options.near:
            units = unit_hashes(text)
            if self.benchmarks and (hit := self.benchmarks.match(units)):
                said = _("an item of {hit}").format(hit=hit[0])
                return "benchmark", said, {"file": hit[0], "line": hit[1], "at_unit": hit[2]}
            if options.near:
                self.near.add(len(self.origins), units)
        size = len(text.encode("utf-8", "replace"))
        self.report.bytes_out += size
        for name in shares:
            self.report.languages[name] += shares[name] * size
        return None

    def drop_near_copies(self, kept: IO[bytes], fewer: IO[bytes], dropped: IO[bytes]) -> None:
        """Copy what was kept, without the rows that are nearly the same as one before."""
        self.dropped = dropped
        copies = self.near.copies(self.options.similarity)
        row, earlier, similarity = next(copies, (-1, -1, 0.0))
        for number, line in enumerate(kept):
            if number != row:
                fewer.write(line)
                continue
            raw = json.loads(line)
            text = "\n".join(judged_texts(raw))
            self.report.bytes_out -= len(text.encode("utf-8", "replace"))
            for name, share in filters.language(filters.counts_of(text)).items():
                self.report.languages[name] -= share * len(text.encode("utf-8", "replace"))
            match = self._match(self.origins[earlier]) | {"similarity": round(similarity, 2)}
            self._drop("near", self.origins[number], raw, text, _("nearly the same text"), match)
            row, earlier, similarity = next(copies, (-1, -1, 0.0))

    def _drop(self, stage: str, origin: int, raw: Any, text: str, reason: str, match: dict | None = None) -> None:
        file, line = self._where(origin)
        found = self.stages[stage]
        found.dropped += 1
        found.dropped_bytes += len(text.encode("utf-8", "replace"))
        # A read error carries the row's own keys and numbers; counted are the kinds of error.
        found.reasons[re.split(r":|：| \(|（", reason, maxsplit=1)[0]] += 1
        found.note(reason, file, line, text)
        account = {"file": file, "line": line, "stage": stage, "reason": reason}
        self.dropped.write(_line(account | ({"match": match} if match else {}) | ({} if raw is None else {"row": raw})))

    def _where(self, origin: int) -> tuple[str, int]:
        return self.names[origin >> 40], origin & (1 << 40) - 1

    def _match(self, origin: int) -> dict[str, Any]:
        file, line = self._where(origin)
        return {"file": file, "line": line}

    def finish(self) -> CleaningReport:
        self.report.settle()
        self.report.seconds = time.perf_counter() - self.begun
        return self.report


def _line(value: Any) -> bytes:
    return (_ENCODER.encode(value) + "\n").encode(
        "utf-8", "replace"
    )  # "?" for a byte of a file's name that is no UTF-8


def _difference(before: str, after: str) -> str:
    """Both around the first character that differs."""
    at = next((i for i, (a, b) in enumerate(zip(before, after)) if a != b), min(len(before), len(after)))
    start = max(0, at - 20)
    return f"{before[start : at + 40]!r} → {after[start : at + 40]!r}"
