"""The addresses for people and for tools that read about the server: documents, pages and what they are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from fairlead.contract.errors import ModelNotFound, NotFound
from fairlead.contract.ports import Request
from fairlead.runtime.serve.deployed import Serving
from fairlead.runtime.serve.web import docs, form
from fairlead.runtime.serve.web.making import Making, Steps, at_once
from fairlead.runtime.serve.web.markup import ASSETS, asset, door, missing, page
from fairlead.runtime.serve.web.openapi import Writer

Header = tuple[str, str]
Answer = tuple[int, Sequence[Header], bytes]
Made = tuple[bytes, str]
"""A body and its tag."""

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
_DOCS = "/docs"
_DOOR = ""
_TITLE = "Models · Fairlead"


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
        self._made: WeakKeyDictionary[Serving, dict[str, Made]] = WeakKeyDictionary()
        self._assets: dict[str, Made] = {}
        self._making = Making()

    def postpones(self, serving: Serving, request: Request, then: Callable[[], None], *, secured: bool) -> bool:
        """Whether a request is for what takes long to write and is not written yet: then it is being written, and
        `then` is called once `answer` has it at hand. Raises NotFound."""
        path = _place(request)
        if request.method not in {"GET", "HEAD"} or path in self._made.get(serving, ()):
            return False
        steps = self._steps(serving, path, secured)
        if steps is None:
            return False
        return self._making.add((serving, path), lambda: self._kept(serving, path, steps), then)

    def answer(self, serving: Serving, request: Request, *, secured: bool = False) -> Answer | None:
        """The answer to a request of this site; None when the address is not one of them. Raises NotFound.

        secured: callers need a key. Then a page is its frame alone, which says nothing of any model, and its
        contents are fetched with the key from the page's address + `/contents`. The first header is the content
        type; the body of a 405 is the method that is taken.
        """
        path = _place(request)
        if path == "/":
            if path in self._fixed:
                return None
            return (200, (_JSON,), _ROOT) if request.method in {"GET", "HEAD"} else (405, (_JSON,), b"GET")
        if path.startswith(_ASSETS):
            kind, made = self._asset(path[len(_ASSETS) :])
        elif _is_document(path):
            kind, made = _JSON, self._once(serving, path, secured)
        elif path in {_DOCS, _DOCS + _INSIDE} or path.startswith(_MODELS):
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

    def _once(self, serving: Serving, path: str, secured: bool) -> Made:
        """Made when first asked for, kept as long as that generation; there is one entry a page and model."""
        made = self._made.get(serving, {}).get(path)
        if made is None:
            steps = self._steps(serving, path, secured)
            made = at_once(self._kept(serving, path, steps if steps is not None else self._short(serving, path)))
        return made

    def _kept(self, serving: Serving, path: str, steps: Steps[bytes]) -> Steps[Made]:
        body = yield from steps
        made = self._made.setdefault(serving, {})[path] = _tagged(body)
        return made

    def _steps(self, serving: Serving, path: str, secured: bool) -> Steps[bytes] | None:
        """How to make what grows with the models that are served; None for what does not."""
        if path == _DOCUMENT:
            return self._writer.encoded(serving, secured)
        if _is_document(path):
            return self._writer.encoded(serving, secured, _served(serving, path[len(_MODELS) : -len(_DOCUMENT)]))
        if path == _DOCS + _INSIDE or (path == _DOCS and not secured):
            return self._docs(serving, secured, whole=path == _DOCS)
        return None

    def _docs(self, serving: Serving, secured: bool, *, whole: bool) -> Steps[bytes]:
        inside = yield from docs.contents(serving, self._fixed, secured=secured)
        return page(_TITLE, inside) if whole else inside.encode()

    def _asset(self, name: str) -> tuple[Header, Made]:
        kind = ASSETS.get(name)
        if kind is None:
            raise NotFound("no such address")
        made = self._assets.get(name)
        if made is None:
            made = self._assets[name] = _tagged(asset(name))
        return ("content-type", kind), made

    def _page(self, serving: Serving, path: str, secured: bool) -> Made:
        # Whether there is such a model is nobody's business before one has said who one is.
        return self._once(serving, _DOOR if secured and not path.endswith(_INSIDE) else path, secured)

    @staticmethod
    def _short(serving: Serving, path: str) -> Steps[bytes]:
        """The frame of any page, and the form of a model."""
        yield
        if path == _DOOR:
            return page("Fairlead", door("Who are you?"))
        deployed = serving.deployed[_served(serving, path.removesuffix(_INSIDE)[len(_MODELS) :])]
        inside = form.contents(deployed)
        return inside.encode() if path.endswith(_INSIDE) else page(f"{deployed.route.model} · Fairlead", inside)


def _place(request: Request) -> str:
    """The address, and for people that of the documentation where they ask for none."""
    html = request.path == "/" and "text/html" in (request.headers.get("accept") or "")
    return _DOCS if html else request.path


def _is_document(path: str) -> bool:
    return path == _DOCUMENT or (path.startswith(_MODELS) and path.endswith(_DOCUMENT))


def _served(serving: Serving, quoted: str) -> str:
    """The model that an address names. Raises ModelNotFound."""
    name = unquote(quoted)
    if name not in serving.deployed:
        raise ModelNotFound(f"no such model. Served: {', '.join(serving.models) or 'no model yet'}.")
    return name


def _tagged(body: bytes) -> Made:
    return body, f'"{hashlib.sha256(body).hexdigest()[:24]}"'
