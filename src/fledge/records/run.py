"""One run directory: made, read, logged to, and held by the process that trains it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from fledge import __version__, device
from fledge.errors import UserError, advice, suggest
from fledge.lang import N_, _
from fledge.records import trackers
from fledge.records.command import command_line, git_commit
from fledge.records.files import dumps, write_atomic

QUIET = 15 * 60  # seconds without a word after which a run whose lock says nothing is taken for killed
VERSIONED = ("torch", "numpy", "tokenizers", "safetensors")  # beside Fledge's own

STATUSES = {  # of a run, as run.json says them, and "killed"
    "running": N_("running"),
    "done": N_("done"),
    "stopped": N_("stopped"),
    "failed": N_("failed"),
    "killed": N_("killed"),
}


def status_word(status: str) -> str:
    """A run's status (`Run.status`) in the user's language; an unknown one as it is."""
    return str(STATUSES.get(status, status))


def runs_root() -> Path:
    """The folder of runs: `FLEDGE_RUNS`, else `runs` in the working directory."""
    return Path(os.environ.get("FLEDGE_RUNS") or "runs")


def list_runs(root: str | Path | None = None) -> list[Run]:
    """Every readable run below `root` (default `runs_root()`), the newest first; broken folders are skipped."""
    runs = []
    for path in Path(root or runs_root()).glob("*/run.json"):
        with contextlib.suppress(UserError):
            runs.append(Run(path.parent))
    return sorted(runs, key=lambda run: (run.info.get("started", ""), run.name), reverse=True)


class Run:
    """One run directory. `info` is what run.json says."""

    def __init__(self, path: Path) -> None:
        """Read the run in `path`; UserError when its run.json is missing or broken."""
        self.path = path
        self.name = path.name
        self._files: dict[str, TextIO] = {}
        self._trackers: list[Any] | None = None
        try:
            self.info: dict[str, Any] = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                _("'{path}' is not a run that can be read: {error}.").format(path=path, error=error)
            ) from error
        if not isinstance(self.info, dict):
            file = path / "run.json"
            raise UserError(_("'{file}' is not a run: it holds no JSON object.").format(file=file))

    @classmethod
    def create(
        cls,
        job: str,
        config: dict[str, Any],
        name: str | None = None,
        *,
        root: str | Path | None = None,
        command: str | None = None,
        beside: Callable[[Path], None] | None = None,
    ) -> Run:
        """Make a new run folder, let `beside(folder)` put its files there, and write its run.json: now it is a run.

        A taken name gets -2, -3, …; UserError for a name that is no folder name, or a tracker in `config` that is not
        installed.
        """
        cls.check(config, name)
        started = datetime.now().astimezone()
        name = name or f"{job}-{started:%Y%m%d-%H%M%S}"
        path = _new_folder(Path(root or runs_root()), name)
        info = {
            "name": path.name,
            "job": job,
            "status": "running",
            "config": config,
            "seed": config.get("seed"),
            "command": command or command_line(),
            "started": started.isoformat(timespec="seconds"),
            "finished": None,
            "git_commit": git_commit(),
            "versions": {"python": platform.python_version(), "fledge": __version__}
            | {name: device.package_version(name) for name in VERSIONED},
            # A job without torch (data, world) does not pay seconds of import to describe itself.
            "machine": device.machine() if "torch" in sys.modules else device.system(),
            "data": {},
            "results": {},
        }
        if beside:
            beside(path)
        write_atomic(path / "run.json", dumps(info, indent=1) + "\n")
        return cls(path)

    @staticmethod
    def check(config: dict[str, Any], name: str | None = None) -> None:
        """Refuse what `create` would refuse; long work asks before it begins."""
        trackers.require(config)
        root = runs_root().absolute()
        there = next(path for path in (root, *root.parents) if path.exists())
        if not (there.is_dir() and os.access(there, os.W_OK)):
            raise _no_folder(root, _("'{there}' cannot be written").format(there=there))
        if name and (name != Path(name).name or name.startswith(".")):
            raise UserError(
                _("'{name}' cannot name a run: use a plain folder name (FLEDGE_RUNS says where runs lie).").format(
                    name=name
                )
            )

    @staticmethod
    def exists(name_or_path: str | Path) -> bool:
        """Whether `open` would find a run of that name, or in that folder."""
        return any((path / "run.json").is_file() for path in (Path(name_or_path), runs_root() / name_or_path))

    @classmethod
    def open(cls, name_or_path: str | Path) -> Run:
        """The run of that name, or in that folder; UserError naming the nearest one when there is none."""
        for path in (Path(name_or_path), runs_root() / name_or_path):
            if (path / "run.json").is_file():
                return cls(path)
        names = [run.name for run in list_runs()]
        shows = _(" `fledge runs list` shows them.")
        none = _(" There are none yet.")
        hint = suggest(str(name_or_path), names) or (shows if names else none)
        raise UserError(
            _("no run '{name_or_path}' in '{folder}'.{hint}").format(
                name_or_path=name_or_path, folder=runs_root(), hint=hint
            )
        )

    @property
    def model_dir(self) -> Path:
        return self.path / "model"

    @property
    def checkpoints_dir(self) -> Path:
        return self.path / "checkpoints"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else train this run meanwhile; UserError when somebody does. A killed process holds nothing."""
        import filelock

        lock = filelock.FileLock(self.path / ".lock", timeout=1)  # `status` of another process may hold it for a moment
        try:
            lock.acquire()
        except filelock.Timeout:
            ways = advice(("", _("wait for its end")), ("run", _("give another {}")))
            raise UserError(
                _("run '{name}' is being trained by another process: {ways}.").format(name=self.name, ways=ways)
            ) from None
        except NotImplementedError:  # a file system without locks
            pass
        try:
            yield
        finally:
            lock.release()

    def status(self) -> str:
        """`status` of run.json; but "killed" of a run that says "running" while no process trains it."""
        status = str(self.info.get("status", "?"))
        return "killed" if status == "running" and not self._is_trained() else status

    def _is_trained(self) -> bool:
        """Whether a process holds the lock. Where there is none (not yet, or the file system has no locks), whether anything was
        written in the last quarter of an hour."""
        import filelock

        if (self.path / ".lock").exists():
            try:
                filelock.FileLock(self.path / ".lock", timeout=0).acquire().lock.release()
                return False
            except filelock.Timeout:
                return True
            except (NotImplementedError, OSError):  # or a folder that may only be read
                pass
        files = [file for name in ("run.json", "metrics.jsonl") if (file := self.path / name).exists()]
        return time.time() - max(file.stat().st_mtime for file in files) < QUIET

    def update(self, /, **fields: Any) -> None:
        """Merge `fields` into run.json; a dict merges into the dict that is there, one level deep."""
        for key, value in fields.items():
            old = self.info.get(key)
            self.info[key] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
        write_atomic(self.path / "run.json", dumps(self.info, indent=1) + "\n")

    def log(self, /, **fields: Any) -> None:
        """Append one line to metrics.jsonl, and hand it to the trackers that the config asks for. NaN becomes null."""
        self._append("metrics.jsonl", fields)
        if self._trackers is None:
            self._trackers = trackers.start(self)
        for tracker in self._trackers:
            tracker.log(fields)

    def sample(self, /, **fields: Any) -> None:
        """Append one line to samples.jsonl."""
        self._append("samples.jsonl", fields)

    def metrics(self) -> list[dict[str, Any]]:
        """The logged lines in order, without a torn one."""
        return _read_lines(self.path / "metrics.jsonl")

    def samples(self) -> list[dict[str, Any]]:
        """The samples in order, without a torn one."""
        return _read_lines(self.path / "samples.jsonl")

    def rewind(self, step: int) -> None:
        """Drop what was logged after `step`: a run resumed from that checkpoint writes those lines again."""
        self.close()
        for name in ("metrics.jsonl", "samples.jsonl"):
            if (self.path / name).exists():
                kept = [row for row in _read_lines(self.path / name) if row.get("step", 0) <= step]
                write_atomic(self.path / name, "".join(dumps(row) + "\n" for row in kept))

    def finish(self, status: str = "done", **results: Any) -> None:
        """Close the run: status `done`, `stopped` or `failed`, the time, and its results."""
        self.close()
        finished = datetime.now().astimezone().isoformat(timespec="seconds")
        self.update(status=status, finished=finished, results=results)

    def close(self) -> None:
        """Close the open files and trackers; logging opens them again."""
        for file in self._files.values():
            file.close()
        for tracker in self._trackers or []:
            tracker.close()
        self._files, self._trackers = {}, None

    def _append(self, name: str, row: dict[str, Any]) -> None:
        if name not in self._files:
            path = self.path / name
            torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
            self._files[name] = path.open("a", encoding="utf-8", newline="\n")
            if torn:  # a killed run left half a line: end it, so that it spoils no line of ours
                self._files[name].write("\n")
        self._files[name].write(dumps(row) + "\n")
        self._files[name].flush()


def _new_folder(root: Path, name: str) -> Path:
    number = 1
    while True:
        path = root / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            if path.is_dir() and {file.name for file in path.iterdir()} <= {"tokenizer"}:
                return path  # of a process that was killed before it wrote run.json
            number += 1
        except OSError as error:
            raise _no_folder(path, error.strerror or error) from None


def _read_lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict):
                    rows.append(row)
    return rows


def _no_folder(path: Path, why: object) -> UserError:
    return UserError(
        _("cannot make the run folder '{path}': {why}; let FLEDGE_RUNS name a folder that can be written.").format(
            path=path, why=why
        )
    )
