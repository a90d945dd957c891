"""Who may ask: checked before anything else looks at a request.

A page of another origin can send requests to a server on this host, and by DNS rebinding even under a name of its own. So the Host header has
to be a name of ours, an Origin has to be that same host, and what changes something has to be JSON, which a browser does not send across
origins unless the server agrees; this one never does (no CORS). Beyond the loopback interface, every request to the API needs the token.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bench.api.access import Access
from bench.api.problems import problem

MAX_BODY_BYTES = 64 * 1024
API = "/api/"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class _Denied:
    status: int
    message: str
    hint: str


class Guard:
    """ASGI middleware: lets pass what ``access`` allows, refuses the rest as a problem, and adds the security headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return  # no WebSockets, and nothing to do at start and end

        api = scope["path"].startswith(API)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers["Cache-Control"] = "no-store" if api else "no-cache"
            await send(message)

        denied = self._denied(scope["method"], Headers(scope=scope), api=api)
        if denied is None:
            await self._app(scope, receive, send_guarded)
            return
        more = {"WWW-Authenticate": "Bearer"} if denied.status == 401 else {}
        answer = problem(denied.status, denied.message, denied.hint, headers={**more, "Connection": "close"})
        await answer(scope, receive, send_guarded)

    def _denied(self, method: str, headers: Headers, *, api: bool) -> _Denied | None:
        host = headers.getlist("host")
        match = _HOST.fullmatch(host[0]) if len(host) == 1 else None
        if match is None or not self._access.knows(match[1].strip("[]")):
            return _Denied(
                421, "this server does not answer to that host name", "add it with: bench daemon --allow-host NAME"
            )
        origins = headers.getlist("origin")
        if any(not _same(origin, host[0]) for origin in origins):
            return _Denied(403, "requests of other origins are refused", "open the page from this server itself")
        writes = method not in SAFE_METHODS
        if writes and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _Denied(403, "requests of other sites are refused", "open the page from this server itself")
        if api and self._access.token is not None and not self._authorized(headers):
            return _Denied(401, "the token is missing or wrong", "send the header Authorization: Bearer TOKEN")
        return _bad_body(headers, writes=writes)

    def _authorized(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = (self._access.token or "").encode("utf-8")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("utf-8"), token)


def _bad_body(headers: Headers, *, writes: bool) -> _Denied | None:
    if "transfer-encoding" in headers:
        return _Denied(411, "the length of the body is not given", "send Content-Length, not chunks")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdecimal():
        return _Denied(400, "Content-Length is not a number", "send the number of bytes")
    if int(length[:20]) > MAX_BODY_BYTES:
        return _Denied(
            413, f"the body has more than {MAX_BODY_BYTES} bytes", "submit large plans with: bench submit PLAN.yaml"
        )
    if writes and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _Denied(415, "what changes something has to be JSON", "send the header Content-Type: application/json")
    return None


def _same(origin: str, host: str) -> bool:
    """Whether ``origin`` is a page of ``host`` (with its port). A proxy may have taken TLS off, so the scheme may be either."""
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
    except ValueError:
        return False
