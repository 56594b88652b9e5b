"""A server on this machine that breaks, lies, forgets and changes its mind, as the tests of downloads tell it to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATA = bytes(range(256)) * 4000  # 1,024,000 bytes


class Server(ThreadingHTTPServer):
    """Serves `data` at every path; the other fields say how it misbehaves. `asked`: the Range headers that came."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.etag = DATA, '"one"'
        self.ranges = True  # does it know them
        self.if_range = True  # does it look whether the file is still the same
        self.breaks: list[int] = []  # bytes after which the next answers are cut
        self.answers: list[int] = []  # status codes of the next answers
        self.linked: str | None = None  # sha256 that a redirect names, as Hugging Face does
        self.size_known = True
        self.silent = 0  # answers that never come
        self.after: dict[int, Callable[[], object]] = {}  # number of the request -> what happens before it
        self.asked: list[str | None] = []
        self.stopped = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/some/data.jsonl"

    def handle_error(self, request, client_address):  # a client that went away is part of the game
        pass


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        span = self.headers.get("Range")
        if self.path.startswith("/some") and server.linked is not None:
            self.send_response(302)
            self.send_header("Location", "/elsewhere/blob")
            self.send_header("X-Linked-Etag", f'"{server.linked}"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        server.asked.append(span)
        if change := server.after.pop(len(server.asked), None):
            change()
        if server.silent:
            server.silent -= 1
            server.stopped.wait(3)
            return
        if server.answers:
            self.send_response(server.answers.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, end = 0, len(server.data)
        same = not server.if_range or self.headers.get("If-Range", server.etag) == server.etag
        partial = server.ranges and span and same
        if partial:
            first, last = span.removeprefix("bytes=").split("-")
            start, end = int(first), min(end, int(last) + 1) if last else end
            if start >= len(server.data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.data)}")
                self.end_headers()
                return
        body = server.data[start:end]
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(server.data)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.size_known:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks and len(body) > 1:
            body = body[: server.breaks.pop(0)]
        self.wfile.write(body)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
