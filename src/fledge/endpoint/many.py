"""Thousands of questions: several on their way at once, not faster than the server allows, every answer remembered on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fledge.endpoint.client import Endpoint, Failure, Reply
from fledge.errors import UserError
from fledge.lang import _
from fledge.records import cache_root

Answer = Reply | Failure


class Memory:
    """Answers of one server on disk, a JSON line each, by the hash of what was asked. A line that a power cut tore is no answer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._known: dict[str, Reply] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        torn = False
        if path.is_file():
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    torn = not line.endswith("\n")
                    with contextlib.suppress(ValueError, TypeError, KeyError):
                        row = json.loads(line)
                        self._known[row["key"]] = Reply(**row["reply"])
        self._file = path.open("a", encoding="utf-8", newline="\n")
        if torn:
            self._file.write("\n")

    @classmethod
    def of(cls, endpoint: Endpoint) -> Memory:
        """That of the endpoint's address, in the user's cache."""
        name = hashlib.sha256(endpoint.address().encode()).hexdigest()[:16]
        return cls(cache_root() / "endpoint" / f"{name}.jsonl")

    def find(self, payload: dict[str, Any]) -> Reply | None:
        return self._known.get(key_of(payload))

    def keep(self, payload: dict[str, Any], reply: Reply) -> None:
        line = json.dumps({"key": key_of(payload), "reply": vars(reply)}, ensure_ascii=False)
        with self._lock:
            self._known[key_of(payload)] = reply
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()


def key_of(payload: dict[str, Any]) -> str:
    """The hash of a request: the same question, asked in the same way."""
    text = json.dumps(payload, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Pace:
    """Lets through `per_minute` questions a minute, evenly; 0 lets all through."""

    def __init__(self, per_minute: float) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def wait(self, stop: threading.Event) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        stop.wait(turn - now)


def ask_all(
    endpoint: Endpoint, payloads: Sequence[dict[str, Any]], memory: Memory | None = None
) -> Iterator[tuple[int, Answer]]:
    """(number of the question, its answer), as they come; those that are remembered first, and none is asked twice.

    An answer is on disk before it is yielded: whoever stops this (Ctrl-C, or by not going on) and asks the same again goes on
    where it stopped. UserError when the server refuses everything, or when the first questions all fail.
    """
    address = endpoint.address()  # says now that there is none
    own = memory or Memory.of(endpoint)
    try:
        waiting: dict[str, list[int]] = {}
        for number, payload in enumerate(payloads):
            if (known := own.find(payload)) is not None:
                yield number, known
            else:
                waiting.setdefault(key_of(payload), []).append(number)
        failed, answered = 0, len(payloads) - sum(map(len, waiting.values()))
        for number, answer in _asked(endpoint, {same[0]: payloads[same[0]] for same in waiting.values()}, own):
            if isinstance(answer, Failure):
                failed += 1
            else:
                answered += 1
            if not answered and failed >= min(len(waiting), 2 * endpoint.at_once):
                raise UserError(
                    _("{address} gave no answer to the first {failed} questions: {reason}.").format(
                        address=address, failed=failed, reason=answer.reason if isinstance(answer, Failure) else ""
                    )
                )
            for same in waiting[key_of(payloads[number])]:
                yield same, answer
    finally:
        if memory is None:
            own.close()


def _asked(endpoint: Endpoint, payloads: dict[int, dict[str, Any]], memory: Memory) -> Iterator[tuple[int, Answer]]:
    """Threads that wait for the server; when this is left, they ask nothing more. They die with the program."""
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Answer | Exception]] = queue.SimpleQueue()
    stop, pace = threading.Event(), Pace(endpoint.per_minute)
    for number in payloads:
        todo.put(number)

    def work() -> None:
        while not stop.is_set():
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            pace.wait(stop)
            if stop.is_set():
                return
            try:
                answer: Answer | Exception = endpoint.ask(payloads[number], stop)
                if isinstance(answer, Reply):
                    memory.keep(payloads[number], answer)
            except Exception as error:  # raised again where the questions were asked; nobody asks the next one
                answer = error
                stop.set()
            done.put((number, answer))

    for _number in range(min(endpoint.at_once, len(payloads))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _number in range(len(payloads)):
            number, answer = done.get()
            if isinstance(answer, Exception):
                raise answer
            yield number, answer
    finally:
        stop.set()
