"""The document that servers on other machines obey: routes with the epoch of who decides, signed.

One line `ed25519 <public key> <signature>`, then canonical JSON. (epoch, generation) only ever grows, so an old
document cannot come back; a control plane that was restored from a backup begins a new epoch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fairlead.contract.errors import BundleRefused, FormatUnknown
from fairlead.contract.routes import Routes
from fairlead.runtime.bundle.keys import SigningKey, check_line, signed_line
from fairlead.runtime.bundle.manifest import canonical, sha256
from fairlead.runtime.serve.routes import write_atomic

FORMAT = 1
MOST_BYTES = 16 << 20
EPOCH = "routes-epoch"
# So that nothing else this key signs can pass for routes, nor the other way round.
_DOMAIN = b"fairlead routes 1\n"


class Document(msgspec.Struct, frozen=True):
    """epoch: of the control plane; larger is later, whatever the generations are."""

    epoch: int
    routes: Routes
    format: int = FORMAT

    @property
    def number(self) -> tuple[int, int]:
        """What only ever grows."""
        return self.epoch, self.routes.generation


def signed(document: Document, key: SigningKey) -> bytes:
    """The bytes that are handed out; the same document and key give the same bytes."""
    data = canonical(document)
    return signed_line(key, _DOMAIN + data) + data


def opened(data: bytes, trusted: Iterable[str]) -> Document:
    """The document in `data`. trusted: hex public keys.

    Raises BundleRefused where size, seal or content do not hold, FormatUnknown for a newer format. Nothing is parsed
    before the seal holds.
    """
    if len(data) > MOST_BYTES:
        raise BundleRefused(f"the routes are larger than {MOST_BYTES} bytes")
    line, _, body = data.partition(b"\n")
    _, reason = check_line(line + b"\n", _DOMAIN + body, trusted)
    if reason is not None:
        raise BundleRefused(f"routes: {reason.replace('manifest', 'document').replace('sealed', 'signed')}")
    try:
        document = msgspec.json.decode(body, type=Document)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as bad:
        raise BundleRefused(f"routes: {bad}") from bad
    if document.format != FORMAT or document.routes.format != 1:
        raise FormatUnknown(f"routes of format {document.format}: this version knows format {FORMAT}")
    return document


def etag_of(data: bytes) -> str:
    """The entity tag of a document's bytes, in quotes."""
    return f'"{sha256(data)}"'


def epoch_of(home: Path) -> int:
    """The epoch of a control plane; 1 where none was ever begun."""
    try:
        return int((Path(home) / EPOCH).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return 1


def new_epoch(home: Path, now: float | None = None) -> int:
    """Begin an epoch that is later than any before, also than those that a backup does not know of."""
    epoch = max(epoch_of(home) + 1, int(time.time() if now is None else now))
    write_atomic(Path(home) / EPOCH, f"{epoch}\n".encode())
    return epoch
