"""The data sets that `fledge data get` knows by name: catalog.json, with the addresses of their publishers.

A commit in an address pins the bytes; MiniMind's v2.5 files exist only at such an older commit, since the v3 files
replaced them. `sha256` is there when at least two independent public records of the file agree, or when we hashed it
ourselves; for the rest the server's own checksum is used, and what arrived is written down (`download.record_path`).
Sizes named `about_size` are the publisher's rounded figures.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fledge.errors import UserError, suggest
from fledge.lang import _, commas

ENDPOINTS = {"huggingface": "HF_ENDPOINT"}  # publisher -> the variable that names the user's own mirror of it
MIRROR = "FLEDGE_DATA_MIRROR"


@dataclass(frozen=True)
class Entry:
    """One file. `size` in bytes (None: ask the server; `exact`: or only the publisher's rounded figure)."""

    name: str
    file: str
    collection: str
    kind: str
    licence: str
    zh: str
    en: str
    sources: dict[str, str]
    size: int | None = None
    exact: bool = False
    sha256: str | None = None


@cache
def catalog() -> dict[str, Entry]:
    """name -> entry, in the order of the list."""
    raw = _raw()
    entries = {}
    for collection, group in raw["collections"].items():
        for item in group["files"]:
            file = item.get("file", f"{item['name']}.jsonl")
            licence = item.get("licence") or group["licence"]
            sources = item.get("sources") or group["sources"]
            entries[item["name"]] = Entry(
                item["name"],
                file,
                collection,
                item["kind"],
                raw["licences"].get(licence, licence),
                item["zh"],
                item["en"],
                {publisher: path.format(file=file) for publisher, path in sources.items()},
                item.get("size") or item.get("about_size"),
                "size" in item,
                item.get("sha256"),
            )
    return entries


def find(word: str) -> Entry:
    """The entry of a name or file name, or of an http(s) address; UserError naming the nearest."""
    if "://" in word:
        parts = urlsplit(word)
        file = unquote(parts.path).rpartition("/")[2]
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise UserError(
                _("'{word}' is not an address that can be downloaded: it must begin with https:// or http://.").format(
                    word=word
                )
            )
        if not file or file in (".", "..") or "\\" in file or ":" in file:
            raise UserError(_("'{word}' names no file: give the address of one file.").format(word=word))
        return Entry(file, file, "url", "", "", "", "", {"url": word})
    entries = catalog()
    if word in entries:
        return entries[word]
    by_file = {entry.file: entry for entry in reversed(entries.values())}  # of two with one file name, the first
    if word in by_file:
        return by_file[word]
    near = suggest(word, [*entries, *by_file])
    raise UserError(
        _("there is no data set '{word}'.{near}").format(
            word=word, near=near or _(" `fledge data get --list` shows them.")
        )
    )


def address(entry: Entry, source: str | None = None, base_url: str | None = None) -> str:
    """Where to download from: `base_url` or FLEDGE_DATA_MIRROR/FILE when set, else `source`, else the first publisher.

    HF_ENDPOINT, as Hugging Face's own tools read it, stands in for huggingface.co.
    """
    if "url" in entry.sources:
        if source or base_url:
            raise UserError(
                _("'{url}' is an address itself: leave --source and --base-url out.").format(url=entry.sources["url"])
            )
        return entry.sources["url"]
    if base_url or (not source and os.environ.get(MIRROR)):
        base = base_url or os.environ[MIRROR]
        if not base.startswith(("http://", "https://")):
            raise UserError(
                _("'{base}' is not an address: --base-url and {mirror} begin with https:// or http://.").format(
                    base=base, mirror=MIRROR
                )
            )
        return f"{base.rstrip('/')}/{entry.file}"
    publishers = _raw()["publishers"]
    publisher = source or next(iter(entry.sources))
    if publisher not in publishers:
        raise UserError(
            _("there is no source '{publisher}' (there are {publishers}).").format(
                publisher=publisher, publishers=commas(publishers)
            )
        )
    if publisher not in entry.sources:
        sources = _(" or ").join(entry.sources)
        raise UserError(
            _("{entry} is not published on {publisher}: use --source {sources}.").format(
                entry=entry.name, publisher=publisher, sources=sources
            )
        )
    base = publishers[publisher]
    variable = ENDPOINTS.get(publisher, "")
    if own := os.environ.get(variable):
        base = own.rstrip("/") + urlsplit(base).path
    return f"{base}/{entry.sources[publisher]}"


def default_folder() -> Path:
    """MiniMind's `dataset` where there is one, else the working directory."""
    folder = Path("dataset")
    return folder if folder.is_dir() else Path()


@cache
def _raw() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "catalog.json").read_text(encoding="utf-8"))
