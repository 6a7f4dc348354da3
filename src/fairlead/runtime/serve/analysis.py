"""GET /analysis?model=: how a rollout stands, from a small file that the watcher publishes. No database is asked.

A verdict is never told of another rollout than the one in progress, nor of another bundle than the one asked about.
"""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import parse_qs

import msgspec

from fairlead.contract.analysis import FILE, Analysis, nothing_tried
from fairlead.contract.errors import ModelNotFound
from fairlead.contract.routes import Route
from fairlead.runtime.serve.deployed import Serving

PATH = "/analysis"
STALE_S = 120.0
"""After which a rollout in progress that nobody looks at any more is no longer taken for judged."""
MOST_BYTES = 1 << 20


def read_analysis(run: Path | None, model: str, now: float | None = None) -> Analysis:
    """What was published last; inconclusive where that is nothing, cannot be read, or nobody looks any more."""
    now = time.time() if now is None else now
    if run is None:
        return nothing_tried(model, now)
    try:
        with (Path(run) / FILE.format(model=model)).open("rb") as file:
            found = msgspec.json.decode(file.read(MOST_BYTES), type=Analysis)
    except FileNotFoundError:
        return nothing_tried(model, now)
    except (OSError, msgspec.MsgspecError):
        return msgspec.structs.replace(nothing_tried(model, now), why="what was published cannot be read")
    if found.state == "running" and now - found.at > STALE_S:
        why = f"nobody has looked for {now - found.at:.0f} s: is `fairlead up` or `fairlead watch` running? {found.why}"
        return msgspec.structs.replace(found, verdict="inconclusive", why=why)
    return found


def of_this_rollout(found: Analysis, route: Route, bundle: str = "") -> Analysis:
    """What was published, inconclusive where it is about something else: a rollout before the one that the route shows,
    or another bundle than `bundle`, the id asked about or its beginning ("": any)."""
    tried = [one for one in route.variants[1:] if one.name != "champion"]
    if tried and (found.state != "running" or found.version not in [one.version for one in tried]):
        why = f"nobody has looked yet at the rollout of version {tried[0].version}, which has begun"
        found = Analysis(
            found.model, "inconclusive", 0, "running", why, found.at, version=tried[0].version,
            bundle=tried[0].bundle, share=tried[0].weight,
        )  # fmt: skip
    if bundle and not found.bundle.startswith(bundle):
        about = f"what was told last is of version {found.version}" if found.version else "nothing was tried yet"
        why = f"no verdict on bundle {bundle[:12]}: {about}"
        return msgspec.structs.replace(nothing_tried(found.model, found.at), why=why)
    return found


def analysis_page(serving: Serving, run: Path | None, query: str) -> bytes:
    """The answer. Raises ModelNotFound for a model that is not served, and where several are and none is named.

    query: `model=NAME`; without it the only model, or the default one. `bundle=ID`: of a rollout of that bundle alone.
    """
    asked = parse_qs(query)
    named = asked.get("model", [""])[-1]
    if not named:
        default = serving.default
        if default is None:
            raise ModelNotFound(f"several models are served, or none: add ?model=NAME. {_known(serving)}")
        named = default.route.model
    if named not in serving.models:
        raise ModelNotFound(f"no such model. {_known(serving)}")
    route = serving.deployed[named].route if named in serving.deployed else serving.asleep[named]
    found = of_this_rollout(read_analysis(run, named), route, asked.get("bundle", [""])[-1])
    return msgspec.json.encode({"data": found})


def _known(serving: Serving) -> str:
    return f"Served: {', '.join(serving.models) or 'no model yet'}."
