"""What a project says of how its bundle answers, where the bundle goes alone: in an image, to another machine.

A home has all of this in its routes. An image has a bundle, and beside it this file, which `fairlead export docker`
writes; nothing in it is secret. The key of the redaction hash comes from the environment, else the home makes its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from fairlead.contract.errors import FormatUnknown, SourceUnreadable, UsageError
from fairlead.contract.routes import Limits, Route
from fairlead.contract.settings import AccessSettings, CaptureSettings, ServeSettings, TelemetrySettings
from fairlead.runtime.capture.redaction import home_key

FILE = "terms.json"
FORMAT = 1
REDACT_VARIABLE = "FAIRLEAD_REDACT_KEY"
"""Environment variable with the 64 hex digits that the project's home keeps in keys/redact.key."""
RECORDS_VARIABLE = "FAIRLEAD_RECORDS_KEY"
"""Environment variable that an image takes the key for records at rest from, where the project has it in a file."""
_MOST_BYTES = 1 << 20


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """route: how the model is assigned, sampled, redacted and expected to be asked; its variants are empty."""

    route: Route
    limits: Limits = Limits()
    server: ServeSettings = ServeSettings()
    access: AccessSettings = AccessSettings()
    capture: CaptureSettings = CaptureSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    format: int = FORMAT


def read_terms(path: Path) -> Terms:
    """Raises SourceUnreadable for no such file, FormatUnknown for one that this version does not know."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as why:
        raise SourceUnreadable(f"the terms {path} cannot be read: {why.strerror}.") from why
    try:
        found = msgspec.json.decode(raw[:_MOST_BYTES], type=Terms)
    except msgspec.MsgspecError as why:
        raise FormatUnknown(f"{path.name} is not what `fairlead export docker` of this version writes: {why}") from None
    if found.format != FORMAT:
        raise FormatUnknown(f"{path.name} has format {found.format}; this version knows format {FORMAT}")
    return found


def redact_key_of(environ: Mapping[str, str], home: Path | None) -> str:
    """Hex key of the redaction hash: that of the environment, else the home's own; any without a home, which keeps no
    records. Raises UsageError for what is no key."""
    said = environ.get(REDACT_VARIABLE, "").strip()
    if said:
        if len(said) != 64 or not all(digit in "0123456789abcdef" for digit in said):
            raise UsageError(
                f"{REDACT_VARIABLE} needs 64 hex digits, as `openssl rand -hex 32` makes them; for the same hashes as "
                "the project's own, those of keys/redact.key in its home."
            )
        return said
    if home is None:
        return secrets.token_hex(32)
    keys = home / "keys"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home_key(keys)
