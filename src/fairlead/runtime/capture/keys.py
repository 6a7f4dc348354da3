"""The keys that records are encrypted with at rest: where they come from, and which of them is for what is new.

A source is `file:PATH`, `env:NAME` or `command:LINE`; it gives one key a line, the first for what is written from now
on and the others to read what is older. `keys/records.json` in the home says which sources were used, never a key,
so whoever reads the home's records finds them.
"""

from __future__ import annotations

import base64
import binascii
import os
import shlex
import subprocess
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec

from fairlead.contract.errors import ConfigInvalid, FormatUnknown
from fairlead.contract.settings import CaptureSettings
from fairlead.runtime.capture.cursor import write_durable

FILE = "records.json"
FORMAT = 1
OFF = "off"
_SETTING = "capture.encrypt"
_MOST_SOURCES = 64
_COMMAND_S = 30.0


class Key(NamedTuple):
    """256 bits and the name they go by in what they encrypt. Never shown as text."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id})"


class _Sources(msgspec.Struct, frozen=True):
    """sources: the newest first. encrypt: whether the first one encrypts what is new."""

    sources: tuple[str, ...] = ()
    encrypt: bool = False
    format: int = FORMAT


def configure(home: Path, setting: str) -> Key | None:
    """Take up `capture.encrypt` for a home; the key for what is new, None where nothing is to be encrypted.

    setting: a source; "off"; or "" for whatever the home does already. Raises ConfigInvalid for a key that cannot
    be had: nothing is then written.
    """
    known = _sources(home)
    if setting == OFF:
        wanted = _Sources(known.sources, False)
    elif setting:
        given = _absolute(setting)
        first = _keys_of(given)[0]
        sources = (given, *(source for source in known.sources if source != given))
        wanted = _Sources(sources[:_MOST_SOURCES], True)
    else:
        return current(home)
    if wanted != known:
        folder = Path(home) / "keys"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durable(folder / FILE, msgspec.json.encode(wanted))
    return first if setting != OFF else None


def anchored(capture: CaptureSettings, root: Path) -> CaptureSettings:
    """The settings with the path of a key file taken from `root`, the folder of fairlead.toml."""
    kind, _, rest = capture.encrypt.partition(":")
    if kind != "file" or not rest:
        return capture
    return msgspec.structs.replace(capture, encrypt=f"file:{root.absolute() / Path(rest).expanduser()}")


def current(home: Path) -> Key | None:
    """The key for what is new; None where nothing is to be encrypted. Raises ConfigInvalid where it cannot be had."""
    known = _sources(home)
    return _keys_of(known.sources[0])[0] if known.encrypt and known.sources else None


def source_of(home: Path, setting: str) -> str:
    """Where the key for what is new comes from, "" where nothing is to be encrypted; it is not asked for the key."""
    if setting:
        return "" if setting == OFF else setting
    known = _sources(home)
    return known.sources[0] if known.encrypt and known.sources else ""


def find(home: Path, id: str) -> Key:
    """The key that goes by `id`. Raises ConfigInvalid when no source of the home gives it."""
    why = []
    for source in _sources(home).sources:
        try:
            keys = _keys_of(source)
        except ConfigInvalid as missing:
            why.append(str(missing).removeprefix(f"{_SETTING}: "))
            continue
        for key in keys:
            if key.id == id:
                return key
        why.append(f"{_shown(source)} gives {', '.join(key.id for key in keys)}.")
    said = " ".join(why) or "This home knows no source of keys."
    raise ConfigInvalid(
        f"records here are encrypted with key {id}, which cannot be had. {said}",
        key=_SETTING,
        cure="Give that key back to its source, as a further line after the newest.",
    )


def _sources(home: Path) -> _Sources:
    path = Path(home) / "keys" / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Sources)
    except FileNotFoundError:
        return _Sources()
    except msgspec.MsgspecError:
        raise FormatUnknown(f"keys/{FILE} cannot be read as what it should be") from None
    if found.format != FORMAT:
        raise FormatUnknown(f"keys/{FILE} has format {found.format}; this version knows format {FORMAT}")
    return found


def _absolute(source: str) -> str:
    kind, _, rest = source.partition(":")
    return f"file:{Path(rest).expanduser().absolute()}" if kind == "file" and rest else source


def _keys_of(source: str) -> tuple[Key, ...]:
    """The keys of a source, the one for what is new first. Raises ConfigInvalid."""
    kind, _, rest = source.partition(":")
    if not rest or kind not in {"file", "env", "command"}:
        raise _invalid("not understood.", "Write file:PATH, env:NAME or command:LINE.")
    if kind == "file":
        path = Path(rest)
        try:
            return _parsed(path.read_bytes(), _shown(source))
        except OSError as failed:
            raise _invalid(f"{_shown(source)} cannot be read ({failed.strerror}).", "Put the key there.") from None
    if kind == "env":
        text = os.environ.get(rest)
        if not text:
            raise _invalid(f"the environment has no {rest}.", f"Set {rest} to the key.")
        return _parsed(text.encode(), _shown(source))
    return _by_command(rest)


@lru_cache(maxsize=8)
def _by_command(line: str) -> tuple[Key, ...]:
    """Asked once a process: it may be a vault far away."""
    try:
        done = subprocess.run(shlex.split(line), capture_output=True, timeout=_COMMAND_S, check=True)  # noqa: S603
    except (OSError, ValueError, subprocess.SubprocessError) as failed:
        raise _invalid(f"the command failed ({type(failed).__name__}).", "It must print the key.") from None
    return _parsed(done.stdout, "the command")


def _parsed(data: bytes, where: str) -> tuple[Key, ...]:
    if len(data) == 32 and not data.strip().isalnum():
        return (_key(data),)
    lines = [line.strip() for line in data.splitlines() if line.strip() and not line.strip().startswith(b"#")]
    keys = []
    for number, line in enumerate(lines, 1):
        secret = _secret(line)
        if secret is None:
            raise _invalid(
                f"line {number} of {where} is no key.",
                "A key is 32 random bytes as 64 hex digits or in base64 (openssl rand -hex 32).",
            )
        keys.append(_key(secret))
    if not keys:
        raise _invalid(f"{where} gives no key.", "Make one with: openssl rand -hex 32")
    return tuple(keys)


def _secret(line: bytes) -> bytes | None:
    try:
        secret = bytes.fromhex(line.decode()) if len(line) == 64 else base64.b64decode(line, b"-_", validate=True)
    except (ValueError, binascii.Error):
        try:
            secret = base64.b64decode(line, validate=True)
        except (ValueError, binascii.Error):
            return None
    return secret if len(secret) == 32 else None


def _key(secret: bytes) -> Key:
    # The name of a key tells nothing of it: 256 random bits cannot be tried out.
    return Key(blake2b(secret, digest_size=8, person=b"fairlead-records").hexdigest(), secret)


def _shown(source: str) -> str:
    """A source as it may stand in a message: what kind and, of a variable, which; paths stay here."""
    kind, _, rest = source.partition(":")
    return f"{kind}:{rest}" if kind == "env" else f"the {kind}"


def _invalid(what: str, cure: str) -> ConfigInvalid:
    return ConfigInvalid(what, key=_SETTING, cure=cure)
