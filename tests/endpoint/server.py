"""A real HTTP server on 127.0.0.1 that speaks OpenAI's chat API, and misbehaves as it is told."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """`answer(request body)` gives a text, or (status, headers, bytes), or seconds to be silent for. Every request is kept."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any]) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with own.lock:
                    own.requests.append(body)
                    own.headers.append(dict(self.headers))
                    own.times.append(time.monotonic())
                    own.at_once += 1
                    own.most_at_once = max(own.most_at_once, own.at_once)
                try:
                    status, headers, content = own.spoken(own.answer(body))
                finally:
                    with own.lock:
                        own.at_once -= 1
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.send_response(status)
                    for name, value in {"Content-Type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    @staticmethod
    def spoken(said: Any) -> tuple[int, dict[str, str], bytes]:
        if isinstance(said, float):
            time.sleep(said)
            said = "late"
        if isinstance(said, tuple):
            return said
        message = said if isinstance(said, dict) else {"content": said}
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        return 200, {}, json.dumps({"choices": [choice], "usage": usage}, ensure_ascii=False).encode()


@contextlib.contextmanager
def serving(answer: Callable[[dict[str, Any]], Any]) -> Iterator[Server]:
    server = Server(answer)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def asked(body: dict[str, Any]) -> str:
    """The question that a request holds."""
    return body["messages"][-1]["content"]


def error(status: int, message: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"error": {"message": message}}).encode()
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body
