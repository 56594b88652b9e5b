"""A server on this machine that plays the Hugging Face hub: models are folders below one root."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "c" * 40


class Hub(ThreadingHTTPServer):
    """`asked`: the paths of all requests; `gated`: models that want a licence accepted."""

    def __init__(self, root: Path):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.asked: list[str] = []
        self.gated: set[str] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def hub(root: Path) -> Iterator[Hub]:
    server = Hub(root)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        words = path.strip("/").split("/")
        api = words[:2] == ["api", "models"]
        owner, name, *rest = words[2:] if api else words
        folder = self.server.root / owner / name
        if not folder.is_dir():
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        if f"{owner}/{name}" in self.server.gated:
            return self._send(403, b"{}", {"X-Error-Code": "GatedRepo"}, body)
        files = sorted(file for file in folder.iterdir() if file.is_file())
        if api and rest[0] == "tree":
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": _oid(f)} for f in files]
            return self._send(200, json.dumps(tree).encode(), {}, body)
        if api:
            info = {"id": f"{owner}/{name}", "sha": COMMIT, "siblings": [{"rfilename": file.name} for file in files]}
            return self._send(200, json.dumps(info).encode(), {}, body)
        file = folder / rest[-1]
        if not file.is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        self._send(200, file.read_bytes(), {"ETag": f'"{_oid(file)}"', "X-Repo-Commit": COMMIT}, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def _oid(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()
