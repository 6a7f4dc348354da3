"""HTML by hand: escaping, and the frame that every page has."""

from __future__ import annotations

from html import escape
from importlib.resources import files

ASSETS = {
    "site.css": "text/css; charset=utf-8",
    "site.js": "text/javascript; charset=utf-8",
    "asking.js": "text/javascript; charset=utf-8",
    "form.js": "text/javascript; charset=utf-8",
    "answer.js": "text/javascript; charset=utf-8",
    "forecast.js": "text/javascript; charset=utf-8",
    "tensor.js": "text/javascript; charset=utf-8",
    "picture.js": "text/javascript; charset=utf-8",
    "numbers.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def asset(name: str) -> bytes:
    """The bytes of one of ASSETS."""
    return (files(__package__) / "assets" / name).read_bytes()


def attributes(**given: str | int | float | bool | None) -> str:
    """Attributes with a leading space each; True stands alone, None and False are left out. `_` becomes `-`.

    >>> attributes(id="a", data_kind='"', hidden=True, title=None)
    ' id="a" data-kind="&quot;" hidden'
    """
    said = []
    for name, value in given.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        said.append(f" {name}" if value is True else f' {name}="{escape(str(value))}"')
    return "".join(said)


def page(title: str, main: str) -> bytes:
    """A whole page."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/site.css">
<script type="module" src="/assets/site.js"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<a class="home" href="/docs"><img src="/assets/icon.svg" alt="" width="28" height="28"> Fairlead</a>
<nav aria-label="Pages"><a href="/docs">Models</a> <a href="/openapi.json">OpenAPI</a></nav>
</header>
<main id="main" tabindex="-1">
{main}
</main>
<noscript><p class="note">Forms need JavaScript; the documentation does not.</p></noscript>
</body>
</html>
""".encode()


def missing(words: str) -> bytes:
    """The page of an address where there is nothing."""
    return page(
        "Not found · Fairlead", f'<h1>Not found</h1>\n<p>{escape(words)}</p>\n<p><a href="/docs">All models</a></p>'
    )


def door(title: str) -> str:
    """What a page shows before its reader has said who they are; the script then fetches the contents with the key."""
    return f"""<h1>{escape(title)}</h1>
<form class="door" id="door" novalidate>
<div class="problems" id="door-problem" role="alert" hidden></div>
<div class="field">
<label for="key">API key or token</label>
<p class="hint" id="key-hint">This server answers only callers it knows. The key stays in this page's
memory alone: it is gone when you leave.</p>
<input id="key" type="password" autocomplete="off" spellcheck="false" aria-describedby="key-hint" aria-required="true">
</div>
<button type="submit" class="main-action">Continue</button>
</form>
<div id="inside"></div>"""
