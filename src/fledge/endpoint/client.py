"""One question to an OpenAI-compatible server: sent, timed, tried again when that may help, and its answer taken apart."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from fledge.errors import UserError, flag
from fledge.lang import _

Message = dict[str, Any]
ADDRESS, KEY = ("FLEDGE_BASE_URL", "OPENAI_BASE_URL"), ("FLEDGE_API_KEY", "OPENAI_API_KEY")
TRANSIENT = {408, 409, 425, 429, 500, 502, 503, 504, 529}  # the same request may succeed a little later
HOPELESS = {401, 403, 404, 405}  # no request will
LOCAL = {"localhost", "127.0.0.1", "::1"}
LONGEST = 60.0  # seconds between two tries at most
MAX_REPLY = 64 * 2**20  # bytes of one answer: anything longer is no chat server


@dataclass(frozen=True)
class Reply:
    """What was answered. `reasoning`: what the server keeps apart of a model that thinks first."""

    text: str
    reasoning: str = ""
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Failure:
    """Why a question has no answer, in the user's language; the others go on."""

    reason: str


class _Again(Exception):
    """It may succeed a little later, not before so many seconds when the server said so."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class _Unanswerable(Exception):
    """This question will never be answered; others may."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key is for the address that it was given for."""

    def redirect_request(self, *args: Any) -> None:
        return None


@dataclass
class Endpoint:
    """An address, what it is asked for, and how patiently."""

    base_url: str | None = None
    """Address of an OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1. Default: FLEDGE_BASE_URL or OPENAI_BASE_URL."""
    api_model: str = ""
    """Name of the model there."""
    temperature: float = 0.7
    """Temperature of the answers."""
    max_tokens: int = 1024
    """Longest answer in tokens."""
    timeout: float = 120.0
    """Seconds that an answer may take."""
    retries: int = 5
    """Tries after the first, when the server is busy, broken or silent."""
    at_once: int = 4
    """Questions on their way at a time."""
    per_minute: float = 0.0
    """Questions a minute at most; 0 for no limit."""

    def __post_init__(self) -> None:
        for name, least in (("timeout", 0.001), ("max_tokens", 1), ("retries", 0), ("at_once", 1), ("per_minute", 0)):
            if getattr(self, name) < least:
                raise UserError(
                    _("{name} is {value}; it must be at least {least}.").format(
                        name=flag(name), value=getattr(self, name), least=least
                    )
                )

    def address(self) -> str:
        """Where to send questions. UserError when nobody said: there is no default."""
        url = self.base_url or next((value for name in ADDRESS if (value := os.environ.get(name))), "")
        if not url:
            raise UserError(
                _(
                    "no address of a server: give one with {flag} (or in {variable}); nothing is sent anywhere without it."
                ).format(flag=flag("base_url", "http://127.0.0.1:8000/v1"), variable=ADDRESS[0])
            )
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(
                _("'{url}' is not the address of a server: write it like http://127.0.0.1:8000/v1.").format(url=url)
            )
        return url.rstrip("/").removesuffix("/chat/completions")

    def payload(self, messages: list[Message], **changes: Any) -> dict[str, Any]:
        """The body of one request; equal bodies are one question."""
        asked = {"model": self.api_model, "messages": messages}
        return asked | {"temperature": self.temperature, "max_tokens": self.max_tokens} | changes

    def ask(self, payload: dict[str, Any], stop: threading.Event | None = None) -> Reply | Failure:
        """Send it until it is answered or the tries are used up. UserError for what no other question would survive either.

        Between two tries it waits as long as the server says, else 1, 2, 4 … seconds with some chance in them, so that many
        clients do not come back together; `stop` ends the waiting.
        """
        stop = stop or threading.Event()
        reason = ""
        for number in range(self.retries + 1):
            try:
                return _reply(self._send(payload))
            except _Unanswerable as refusal:
                return Failure(str(refusal))
            except _Again as again:
                reason = str(again)
                wait = again.seconds if again.seconds is not None else backoff(number)
            if number < self.retries and stop.wait(min(wait, LONGEST)):
                break
        return Failure(_("{reason} (tried {times} times)").format(reason=reason, times=number + 1))

    def _send(self, payload: dict[str, Any]) -> Any:
        address = self.address()
        key = next((value for name in KEY if (value := os.environ.get(name))), "")
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        body = json.dumps(payload, ensure_ascii=False).encode("utf-8")
        request = urllib.request.Request(f"{address}/chat/completions", body, headers, method="POST")
        try:
            with _opener(address).open(request, timeout=self.timeout) as response:
                return _decoded(response.read(MAX_REPLY))
        except urllib.error.HTTPError as error:
            raise _refused(error, address) from None
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, TimeoutError | socket.timeout):
                raise _Again(_("no answer within {seconds:g} s").format(seconds=self.timeout)) from None
            raise _Again(_("no connection to {address} ({cause})").format(address=address, cause=cause)) from None


def backoff(number: int) -> float:
    """Seconds after try `number`, from 0."""
    return 2.0**number * random.uniform(0.5, 1.0)


def _opener(address: str) -> urllib.request.OpenerDirector:
    local = urllib.parse.urlsplit(address).hostname in LOCAL  # no proxy knows this machine
    proxies = [urllib.request.ProxyHandler({})] if local else []
    return urllib.request.build_opener(_NoRedirect, *proxies)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _Again(_("its answer is not JSON")) from None


def _refused(error: urllib.error.HTTPError, address: str) -> Exception:
    """What an HTTP status means: a try later, an error of this question, or the end of all."""
    said = _said(error)
    if error.code in TRANSIENT:
        after = error.headers.get("Retry-After", "")
        seconds = float(after) if after.replace(".", "", 1).isdigit() else None
        return _Again(_("the server answered {code}{said}").format(code=error.code, said=said), seconds)
    if error.code in HOPELESS or 300 <= error.code < 400:
        return UserError(
            _(
                "{address} refuses the request with {code}{said}: check the address, the model's name ({flag}) and the key "
                "(in {variable})."
            ).format(address=address, code=error.code, said=said, flag=flag("api_model"), variable=KEY[0])
        )
    return _Unanswerable(_("the server refused the question with {code}{said}").format(code=error.code, said=said))


def _said(error: urllib.error.HTTPError) -> str:
    """What the server wrote of it, in one short line."""
    try:
        body = json.loads(error.read(10_000))
        found = body.get("error", body) if isinstance(body, dict) else body
        text = found.get("message", "") if isinstance(found, dict) else str(found)
    except (ValueError, OSError, http.client.HTTPException):
        return ""
    line = " ".join(str(text).split())[:200]
    return f": {line}" if line else ""


def _reply(body: Any) -> Reply:
    """The answer in OpenAI's form. A `<think>…</think>` that stands in the text is taken apart as well."""
    from fledge.tokenizer.messages import split_thinking  # it loads a library, and the help of a verb must be quick

    try:
        choice = body["choices"][0]
        message = choice["message"]
        text, reasoning = (
            message.get("content") or "",
            message.get("reasoning_content") or message.get("reasoning") or "",
        )
        usage = body.get("usage") or {}
        counts = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        if not isinstance(text, str) or not isinstance(reasoning, str):
            raise TypeError
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        raise _Again(_("its answer has not the form of OpenAI's chat API")) from None
    own, rest = split_thinking(text)
    return Reply(rest, reasoning or own, str(choice.get("finish_reason") or "stop"), *counts)
