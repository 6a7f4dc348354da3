"""The addresses for people and for tools that read about the server: documents, pages and what they are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from urllib.parse import unquote

import msgspec

from fairlead.contract.errors import ModelNotFound, NotFound
from fairlead.contract.ports import Request
from fairlead.runtime.serve.deployed import Serving
from fairlead.runtime.serve.web import docs, form
from fairlead.runtime.serve.web.markup import ASSETS, asset, door, missing, page
from fairlead.runtime.serve.web.openapi import Writer

Header = tuple[str, str]
Answer = tuple[int, Sequence[Header], bytes]

_JSON: Header = ("content-type", "application/json")
_HTML: Header = ("content-type", "text/html; charset=utf-8")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_GUARDED: Sequence[Header] = (
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-cache"),
)
_ROOT = b'{"status":"alive","name":"fairlead","docs":"/docs","openapi":"/openapi.json"}'
"""What programs are told at `/`, where platforms look whether the server is there; the status is V1's."""
_ASSETS = "/assets/"
_MODELS = "/models/"
_INSIDE = "/contents"
_DOCUMENT = "/openapi.json"


def is_frame(path: str) -> bool:
    """Whether an address may be read by anybody: it says nothing of what is served where callers need a key."""
    if path in {"/", "/docs"} or path.startswith(_ASSETS):
        return True
    return path.startswith(_MODELS) and "/" not in path[len(_MODELS) :]


class Site:
    """fixed: the other pages' addresses."""

    def __init__(self, fixed: Collection[str], version: str) -> None:
        self._fixed = frozenset(fixed)
        self._writer = Writer(self._fixed, version)
        self._serving: Serving | None = None
        self._made: dict[str, tuple[bytes, str]] = {}
        self._assets: dict[str, tuple[bytes, str]] = {}

    def answer(self, serving: Serving, request: Request, *, secured: bool = False) -> Answer | None:
        """The answer to a request of this site; None when the address is not one of them. Raises NotFound.

        secured: callers need a key. Then a page is its frame alone, which says nothing of any model, and its
        contents are fetched with the key from the page's address + `/contents`. The first header is the content
        type; the body of a 405 is the method that is taken.
        """
        path = request.path
        made: tuple[bytes, str] | None
        if path == "/":
            if "text/html" not in (request.headers.get("accept") or ""):
                if path in self._fixed:
                    return None
                return (200, (_JSON,), _ROOT) if request.method in {"GET", "HEAD"} else (405, (_JSON,), b"GET")
            path = "/docs"
        if path.startswith(_ASSETS):
            kind, made = self._asset(path[len(_ASSETS) :])
        elif path == _DOCUMENT:
            kind, made = _JSON, self._once(serving, path, lambda: self._document(serving, secured))
        elif path.startswith(_MODELS) and path.endswith(_DOCUMENT):
            name = _served(serving, path[len(_MODELS) : -len(_DOCUMENT)])
            kind, made = _JSON, self._once(serving, path, lambda: self._document(serving, secured, name))
        elif path in {"/docs", "/docs" + _INSIDE} or path.startswith(_MODELS):
            kind = _HTML
            try:
                made = self._page(serving, path, secured)
            except NotFound as error:
                if "text/html" not in (request.headers.get("accept") or ""):
                    raise
                return 404, (_HTML, *_GUARDED), missing(str(error))
        else:
            return None
        if request.method not in {"GET", "HEAD"}:
            return 405, (_JSON,), b"GET"
        body, tag = made
        headers = (kind, *_GUARDED, ("etag", tag))
        if tag in [one.strip() for one in (request.headers.get("if-none-match") or "").split(",")]:
            return 304, headers, b""
        return 200, headers, body

    def _once(self, serving: Serving, path: str, make: Callable[[], bytes]) -> tuple[bytes, str]:
        """Made when first asked for, kept until another generation is served; there is one entry a page and model."""
        if self._serving is not serving:
            self._serving, self._made = serving, {}
        made = self._made.get(path)
        if made is None:
            made = self._made[path] = _tagged(make())
        return made

    def _document(self, serving: Serving, secured: bool, only: str | None = None) -> bytes:
        return msgspec.json.encode(self._writer.document(serving, secured=secured, only=only))

    def _asset(self, name: str) -> tuple[Header, tuple[bytes, str]]:
        kind = ASSETS.get(name)
        if kind is None:
            raise NotFound("no such address")
        made = self._assets.get(name)
        if made is None:
            made = self._assets[name] = _tagged(asset(name))
        return ("content-type", kind), made

    def _page(self, serving: Serving, path: str, secured: bool) -> tuple[bytes, str]:
        inside = path.endswith(_INSIDE)
        if secured and not inside:
            # Whether there is such a model is nobody's business yet.
            return self._once(serving, "", lambda: page("Fairlead", door("Who are you?")))
        title, make = self._contents(serving, path.removesuffix(_INSIDE), secured)
        return self._once(serving, path, lambda: make().encode() if inside else page(title, make()))

    def _contents(self, serving: Serving, path: str, secured: bool) -> tuple[str, Callable[[], str]]:
        """Title and maker of what a page shows."""
        if path == "/docs":
            return "Models · Fairlead", lambda: docs.contents(serving, self._fixed, secured=secured)
        deployed = serving.deployed[_served(serving, path[len(_MODELS) :])]
        return f"{deployed.route.model} · Fairlead", lambda: form.contents(deployed)


def _served(serving: Serving, quoted: str) -> str:
    """The model that an address names. Raises ModelNotFound."""
    name = unquote(quoted)
    if name not in serving.deployed:
        raise ModelNotFound(f"no such model. Served: {', '.join(serving.models) or 'no model yet'}.")
    return name


def _tagged(body: bytes) -> tuple[bytes, str]:
    return body, f'"{hashlib.sha256(body).hexdigest()[:24]}"'
