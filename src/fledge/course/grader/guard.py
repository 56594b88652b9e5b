"""What a learner's process may not do: write outside its folder, start programs, use the network, call C directly.

This keeps accidents away from the learner's files; it is no prison for somebody who wants out. Python tells an audit hook
of such actions before they happen (PEP 578), and a hook, once added, stays. What torch needs must be imported before.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from fledge.lang import _

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PROGRAMS = (
    "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "os.kill", "pty.",
    "_winapi.CreateProcess", "webbrowser.",
)  # fmt: skip
NETWORK = ("socket.",)
NATIVE = ("ctypes.dlopen", "ctypes.dlsym", "ctypes.call_function")
CHANGES = {  # event -> for every path that changes: its position, and that of the folder's descriptor that it is relative to
    "os.remove": ((0, 1),), "os.rmdir": ((0, 1),), "os.mkdir": ((0, 2),), "os.rename": ((0, 2), (1, 3)),
    "os.truncate": ((0, None),), "os.chmod": ((0, 2),), "os.chown": ((0, 3),), "os.link": ((1, 3),),
    "os.symlink": ((1, 2),), "os.utime": ((0, 3),), "os.setxattr": ((0, None),), "sqlite3.connect": ((0, None),),
    "shutil.rmtree": ((0, 1),),
}  # fmt: skip


class Refused(RuntimeError):
    """The learner's code wants to do what is not allowed here."""


def guard(folder: Path) -> None:
    """From now on this process may write below `folder` only. There is no way back."""
    allowed = _real(folder)
    devices = {_real(os.devnull), os.path.normcase(os.devnull)}

    def refuse_writing(path: Any, folder: int | None = None) -> None:
        if path is None or isinstance(path, int):  # a descriptor that is open already
            return
        name = os.fsdecode(path)
        if folder is not None and folder >= 0 and not os.path.isabs(name):
            name = os.path.join(_folder_of(folder), name)
        real = _real(name)
        if real not in devices and real != allowed and not real.startswith(allowed + os.sep):
            raise Refused(_("writing {name} (only the current folder is open to it)").format(name=name))

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, __, flags = args
            if isinstance(flags, int) and flags & WRITING:
                refuse_writing(path)
        elif event in CHANGES:
            for position, relative in CHANGES[event]:
                refuse_writing(
                    args[position], args[relative] if relative is not None and relative < len(args) else None
                )
        elif event.startswith(PROGRAMS):
            raise Refused(_("starting or ending other programs"))
        elif event.startswith(NETWORK):
            raise Refused(_("using the network"))
        elif event in NATIVE:
            raise Refused(_("calling C directly with ctypes"))

    _guard_torch_save(refuse_writing)
    sys.addaudithook(hook)


def _real(path: Any) -> str:
    return os.path.normcase(os.path.realpath(os.fsdecode(path)))


def _folder_of(descriptor: int) -> str:
    """The path of an open folder; one that cannot be told is taken for the root."""
    try:
        if sys.platform == "linux":
            return os.readlink(f"/proc/self/fd/{descriptor}")
        if sys.platform == "darwin":
            import fcntl

            return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    except OSError:
        pass
    return os.sep


def _guard_torch_save(refuse_writing: Any) -> None:
    """torch.save opens its file in C++, where no audit hook looks."""
    import torch

    save = torch.save

    def checked(obj: Any, f: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(f, (str, os.PathLike)):
            refuse_writing(f)
        save(obj, f, *args, **kwargs)

    torch.save = checked
