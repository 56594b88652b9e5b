"""What a server says of a file, and what can go wrong on the way to it, in one sentence each (standard library only)."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from fledge.errors import UserError
from fledge.lang import _

AGENT = "fledge (data download)"
AGAIN = (408, 425, 429, 500, 502, 503, 504)  # answers that may be different in a moment
BREAKS = (OSError, http.client.HTTPException)  # a connection that was refused, reset, slow or cut


@dataclass(frozen=True)
class Remote:
    """One answer: `size` of the whole file, `start` of the bytes that come (None: an answer without a range).

    `sha256` is what Hugging Face says of a large file (X-Linked-Etag of the redirect); `tag` names this version of
    the file: that checksum, else the ETag, else the date of the last change; "" when the server says nothing.
    """

    size: int | None
    start: int | None
    tag: str
    etag: str
    sha256: str | None
    body: http.client.HTTPResponse = field(compare=False)


class Again(Exception):
    """The server asks to come back: `after` seconds when it says so."""

    def __init__(self, said: str, after: float | None = None):
        super().__init__(said)
        self.after = after


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects and keeps their headers: the checksum stands on the first answer, the bytes come with the last."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        self.headers |= {key.lower(): value for key, value in headers.items()}
        return super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302  # Python 3.10 does not follow it by itself


def ask(url: str, span: str, timeout: float, if_range: str = "") -> Remote:
    """Open `url` for the bytes `span` ("0-0", "1000-"). The caller closes `body`.

    Raises UserError for an answer that will not change, `Again` for one that may, and BREAKS for a broken connection.
    A range beyond the end of the file is an empty answer with its size.
    """
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity", "Range": f"bytes={span}"}
    if if_range:
        headers["If-Range"] = if_range
    redirects = _Redirects()
    opener = urllib.request.build_opener(redirects)  # honours the proxies of the environment
    try:
        body = opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            error.close()
            raise _refusal(url, error) from None
        body = error.fp
        return _read(body, error.headers, redirects.headers, beyond=True)
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise UserError(
                _(
                    "the certificate of {url} cannot be trusted ({reason}): "
                    "mend the clock or the certificates of this machine, or name another source."
                ).format(url=url, reason=error.reason.verify_message)
            ) from None
        if isinstance(error.reason, OSError):
            raise error.reason from None
        raise UserError(_("{url} cannot be opened: {reason}.").format(url=url, reason=error.reason)) from None
    return _read(body, body.headers, redirects.headers)


def _read(body: Any, headers: Any, redirected: dict[str, str], beyond: bool = False) -> Remote:
    total: int | None = None
    start: int | None = None
    span = headers.get("Content-Range", "").removeprefix("bytes").strip()  # "0-0/1234", "*/1234", "0-0/*"
    if span:
        place, _, whole = span.partition("/")
        total = int(whole) if whole.isdigit() else None
        first = place.partition("-")[0]
        start = int(first) if first.isdigit() else None
    elif not beyond and headers.get("Content-Length", "").isdigit():
        total = int(headers["Content-Length"])
    linked = redirected.get("x-linked-etag", "").strip('"')
    sha256 = linked.lower() if len(linked) == 64 and set(linked.lower()) <= set("0123456789abcdef") else None
    etag = headers.get("ETag", "")
    return Remote(total, start, sha256 or etag or headers.get("Last-Modified", ""), etag, sha256, body)


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code in AGAIN:
        after = error.headers.get("Retry-After", "")
        said = _("the server answers {code} {reason}").format(code=error.code, reason=error.reason)
        return Again(said, float(after) if after.isdigit() else None)
    if error.code in (404, 410):
        return UserError(
            _("there is no file at {url} ({code}): it was moved or renamed; try another --source.").format(
                url=url, code=error.code
            )
        )
    if error.code in (401, 403):
        return UserError(
            _("the server does not give out {url} ({code}): it wants a login, or refuses this network.").format(
                url=url, code=error.code
            )
        )
    return UserError(
        _("the server answers {code} {reason} for {url}.").format(code=error.code, reason=error.reason, url=url)
    )


def sentence(error: BaseException) -> str:
    """A broken connection in plain words."""
    if isinstance(error, socket.gaierror):
        return _("the name of the server is not found: this machine may be offline")
    if isinstance(error, ConnectionRefusedError):
        return _("the server refuses the connection")
    if isinstance(error, TimeoutError):
        return _("the server is silent")
    if isinstance(error, http.client.IncompleteRead | ConnectionError):
        return _("the connection broke")
    return str(error) or type(error).__name__
