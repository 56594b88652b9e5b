"""`fledge data get NAME|URL …`: download data sets by name, from their publishers or from the user's own mirror."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from fledge.cli.flags import parse
from fledge.errors import UserError
from fledge.lang import Text, _

if TYPE_CHECKING:
    from fledge.data.catalog import Entry
    from fledge.data.download import Got

ASK_ABOVE = 100_000_000  # bytes
EVERY = 15.0  # seconds between lines when no terminal is there


@dataclass
class GetFlags:
    """Download data sets by name (--list shows them) or by address; a broken download goes on where it stopped."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME|URL")] = ()
    """Names from --list (pretrain_t2t_mini, sft_mini_512, …), or the address of any file."""
    to: Path | None = None
    """The folder. Default: ./dataset where there is one, else the working directory."""
    list: bool = False
    """Show the data sets that have a name, with size and licence."""
    source: Literal["huggingface", "modelscope", "github"] | None = None
    """Which publisher, where there are several. HF_ENDPOINT names your mirror of huggingface.co."""
    base_url: str | None = None
    """Your own mirror: a file is looked for at BASE_URL/FILE. FLEDGE_DATA_MIRROR sets it for good."""
    yes: bool = False
    """Do not ask before more than 100 MB."""
    force: bool = False
    """Download again what is there already."""
    json: bool = False
    """Print what was downloaded as JSON."""


def get(argv: list[str]) -> int:
    flags = parse(GetFlags, argv, "fledge data get")
    from fledge.data.catalog import address, catalog, default_folder, find

    if flags.list:
        show_list(catalog(), flags.json)
        return 0
    if not flags.names:
        raise UserError(_("name a data set or an address: `fledge data get --list` shows the names."))
    if flags.base_url and flags.source:
        raise UserError(_("--base-url is a mirror of your own and --source a publisher: give one of them."))
    entries = list({entry.name: entry for entry in map(find, flags.names)}.values())
    urls = [address(entry, flags.source, flags.base_url) for entry in entries]
    files = [entry.file for entry in entries]
    if twice := next((file for file in files if files.count(file) > 1), None):
        raise UserError(
            _(
                "two of these are both called {twice}: get them one after the other, into different folders (--to)."
            ).format(twice=twice)
        )
    folder = flags.to or default_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return download_all(entries, urls, folder, flags)


def download_all(entries: list[Entry], urls: list[str], folder: Path, flags: GetFlags) -> int:
    """Ask the servers for sizes, the user for consent, then download one after the other."""
    from rich.console import Console

    from fledge.data.download import fetch, megabytes, part_path, probe

    console = Console(highlight=False, stderr=flags.json, soft_wrap=True)
    remotes, total = [], 0
    for entry, url in zip(entries, urls):
        remote = probe(url)
        remotes.append(remote)
        console.print(f"{entry.file}: {megabytes(remote.size)}{_listed(entry, remote.size)} · {url}", markup=False)
        if entry.licence:
            console.print(_("  licence: {licence}").format(licence=entry.licence), style="dim", markup=False)
        if not (folder / entry.file).exists() or flags.force:
            part = part_path(folder / entry.file)
            total += max(0, (remote.size or entry.size or 0) - (part.stat().st_size if part.exists() else 0))
    if total > ASK_ABOVE and not flags.yes and sys.stdin.isatty() and not _agreed(megabytes(total), folder):
        console.print(_("Nothing was downloaded."))
        return 1
    results: list[Got] = []
    for entry, url, remote in zip(entries, urls, remotes):
        target = folder / entry.file
        try:
            with Bar(entry.file, remote.size, quiet=flags.json) as bar:
                got = fetch(url, target, remote=remote, sha256=entry.sha256, force=flags.force, progress=bar.update)
        except KeyboardInterrupt:
            part = part_path(target)
            kept = megabytes(part.stat().st_size if part.exists() else 0)
            stopped = _("stopped: {kept} of {size} of {file} are kept; the same command goes on from there.").format(
                kept=kept, size=megabytes(remote.size), file=entry.file
            )
            print(f"\n{stopped}", file=sys.stderr)
            return 130
        results.append(got)
        if not flags.json:
            console.print(_outcome(got), markup=False)
    if flags.json:
        print(json.dumps([asdict(got) for got in results], ensure_ascii=False))
    return 0


def _listed(entry: Entry, size: int | None) -> str:
    """What the list says of the size, where the server says something else or nothing."""
    from fledge.data.download import megabytes

    if entry.size is None or entry.size == size or (not entry.exact and size is not None):
        return ""
    return _(" (the list says {size})").format(size=megabytes(entry.size))


def _agreed(total: str, folder: Path) -> bool:
    where = folder.resolve()
    question = _("Download {total} to {where}? [y/N] ").format(total=total, where=where)
    return input(question).strip().lower() in _("y yes").split()


def _outcome(got: Got) -> str:
    if not got.downloaded:
        return _("{path} is there already, unchanged.").format(path=got.path)
    checks = {
        "list": _("its checksum is the list's"),
        "server": _("its checksum is the server's"),
        "": _("nobody publishes its checksum; the one of this copy is on record"),
    }
    return f"{got.path}  {checks[got.checked]}  (SHA-256 {got.sha256[:12]}…)"


class Bar:
    """Progress of one download: a bar with speed and time left on a terminal, a line now and then elsewhere."""

    def __init__(self, name: str, size: int | None, quiet: bool = False):
        self.name, self.size, self.quiet = name, size, quiet
        self.live = sys.stderr.isatty() and not quiet
        self.last = time.monotonic()
        self.before: int | None = None  # bytes at the last line
        self.progress: Any = None

    def __enter__(self) -> Bar:
        if self.live:
            from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

            from fledge.display.terminal import progress

            columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            self.progress = progress("{task.description}", *columns)
            self.task = self.progress.add_task(self.name, total=self.size)
            self.progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.progress:
            self.progress.stop()

    def update(self, done: int, size: int | None) -> None:
        if self.progress:
            self.progress.update(self.task, completed=done, total=size)
        elif not self.quiet and time.monotonic() - self.last > EVERY:
            from fledge.data.download import megabytes

            now = time.monotonic()
            speed = (done - self.before) / (now - self.last) if self.before is not None else 0.0
            self.before, self.last = done, now
            share = f"{done / size:4.0%} " if size else ""
            minutes = f"{(size - done) / speed / 60:.0f}" if size and speed else ""
            left = _(", {minutes} min left").format(minutes=minutes) if minutes else ""
            rate = _(", {speed:.1f} MB/s").format(speed=speed / 1e6)
            print(f"  {self.name}: {share}{megabytes(done)}{rate}{left}", file=sys.stderr, flush=True)


def show_list(entries: dict[str, Entry], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(entry) for entry in entries.values()], ensure_ascii=False))
        return
    from rich.console import Console

    from fledge.data.download import megabytes
    from fledge.display.terminal import table

    console = Console(highlight=False)
    titles = {
        "minimind-v3": "MiniMind v3",
        "minimind-v2.5": "MiniMind v2.5",
        "open": _("Other open data"),
    }
    for collection, title in titles.items():
        members = [entry for entry in entries.values() if entry.collection == collection]
        rows = []
        for entry in members:
            size = "?" if entry.size is None else f"{'' if entry.exact else '~'}{megabytes(entry.size)}"
            licence = "" if collection != "open" else f" ({entry.licence})"
            about = f"{Text(entry.zh, entry.en)}{licence}"
            rows.append((entry.name, size, entry.kind, about, " ".join(entry.sources)))
        heads = (_("name"), _("size"), _("rows"), _("what it is"), _("from"))
        console.print(table(heads, rows, title=title, words=(0, 2, 3, 4)))
        if collection != "open":
            licence = members[0].licence
            console.print(_("licence: {licence}\n").format(licence=licence), style="dim", markup=False)
    console.print(
        _(
            "The data belong to their publishers, under the licences above; fledge only fetches them for you. "
            "HF_ENDPOINT and --base-url name a mirror of your choice."
        ),
        style="dim",
    )
