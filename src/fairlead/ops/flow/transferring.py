"""The network that a training begins with, as `[train.transfer]` names it: a version's, or that of a file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid, MissingExtra, UsageError
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.train.transferring import Transferred

CHAMPION = "champion"
TAIL = "model/tail.onnx"
MOST_BYTES = 1 << 30
MOST_COMPARED = 200_000
"""Rows beyond which it is not looked up which of them the network has seen before."""


def transferred_for(ws: Workspace, said: str = "") -> tuple[Transferred | None, tuple[str, ...]]:
    """What `[train.transfer]` asks for, and notes for people; None where nothing is asked, or there is no champion yet.

    said: as a lineage recorded it, `sha256:` of the file or a bundle's id, which is then what it must be.
    Raises ConfigInvalid, BundleNotFound, BundleRefused.
    """
    from fairlead.lab.train.transferring import FILES

    rules = ws.settings.train.transfer
    if rules is None:
        return None, ()
    if rules.begin.endswith(FILES):
        return _of_file(ws, rules, said), ()
    from fairlead.ops.flow.making import champion_bundle, resolve_bundle

    if said:
        return of_version(ws, said), ()
    if rules.begin == CHAMPION:
        bundle = champion_bundle(ws)
        if bundle is None:
            return None, ("learned anew: there is no champion yet to begin with",)
    else:
        bundle = resolve_bundle(ws, rules.begin)
    return of_version(ws, bundle), ()


def of_version(ws: Workspace, bundle: str) -> Transferred:
    """A sealed network, verified. Raises ConfigInvalid where it is none, BundleRefused."""
    from fairlead.lab.train.transferring import of_bundle
    from fairlead.runtime.bundle import verify

    rules = ws.settings.train.transfer
    assert rules is not None
    model = ws.load(bundle)
    tail = verify(ws.store.path(bundle), ws.trusted).files.get(TAIL)
    return of_bundle(bundle, model.manifest.lineage.learner, tail, model.signature, rules)


def _of_file(ws: Workspace, rules: Any, said: str) -> Transferred:
    from fairlead.lab.train.transferring import invalid, of_file

    path = ws.project.root / rules.begin
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise invalid(f"there is no file {rules.begin} of at most {MOST_BYTES >> 30} GiB.", "", "from")
    data = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if said and digest != said:
        raise UsageError(f"{rules.begin} is another file than then: {said[:19]} then, {digest[:19]} now.")
    return of_file(digest, translated(ws, path) if path.suffix == ".pt2" else data, rules)


def translated(ws: Workspace, path: Any) -> bytes:
    """A program of torch.export as ONNX. Raises ConfigInvalid without trust, MissingExtra, NotCompilable."""
    if ws.settings.model.trust != "native":
        raise ConfigInvalid(
            f"opening {path.name} runs whatever code it holds.", file="fairlead.toml", key="train.transfer.from",
            cure='Set [model] trust = "native" if it comes from someone you trust, or export it as ONNX.',
        )  # fmt: skip
    try:
        import torch
    except ModuleNotFoundError as missing:
        raise MissingExtra("torch", "torch") from missing
    from fairlead.lab.compile.sources.torch_export import onnx_of

    return onnx_of(torch.export.load(path))


def seen_before(
    ws: Workspace, begun: Transferred | None, frame: pd.DataFrame, holdout: pd.DataFrame
) -> tuple[str, ...]:
    """A note where the network has learned from rows that it is now judged by. frame, holdout: of this training."""
    if begun is None or begun.signature is None:
        return ()
    from fairlead.ops.flow.making import kept, kept_rows

    remembered = kept(ws, begun.said)
    try:
        data = ws.load(begun.said).manifest.lineage.data
        earlier = None if remembered is None else kept_rows(ws, data)
        judged = None if remembered is None else kept_rows(ws, remembered.holdout)
    except UsageError:
        earlier = judged = None
    what = "what folds and the rows kept for judging say may be too good"
    if earlier is None or judged is None or max(len(earlier), len(frame)) > MOST_COMPARED:
        return (f"it is not known which of these rows the network it began with has learned from: {what}",)
    names = [str(name) for name in frame.columns if name in earlier.columns]
    known = set(digests(earlier, names)) - set(digests(judged, names))
    again = [len([one for one in digests(table, names) if one in known]) for table in (frame, holdout)]
    if not again[0]:
        return ()
    return (
        f"the network it began with has learned from {again[0]:,} of these {len(frame):,} rows before, {again[1]:,} of "
        f"them among the {len(holdout):,} kept for judging: {what}",
    )


def digests(frame: pd.DataFrame, names: list[str]) -> list[bytes]:
    """Of each row, by its cells in these columns."""
    found = [hashlib.blake2b(digest_size=12) for _ in range(len(frame))]
    for name in names:
        for digest, cell in zip(found, frame[name].tolist(), strict=True):
            many = isinstance(cell, np.ndarray | list | tuple)
            # Lists of whole numbers come back from files in a type of their own.
            digest.update(np.asarray(cell, dtype=np.float64).tobytes() if many else str(cell).encode())
            digest.update(b"\x1f")
    return [digest.digest() for digest in found]
