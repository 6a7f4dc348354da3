"""What is exported: one sealed bundle with the settings of its project, and how a target says which files it writes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import BundleNotFound, ConfigInvalid, UsageError
from fairlead.contract.evidence import Manifest
from fairlead.contract.routes import Route
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature

LISTING = "fairlead-export.json"
"""In every exported folder: what wrote it, and the sha256 of every other file."""
_MOST_LISTED = 16 * 1024 * 1024
_ASIDE = re.compile(r"\.(.+)\.(new|old)-([0-9]{1,9})")
_IMAGE = re.compile(
    r"(?:[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?/)?[a-z0-9][a-z0-9._/-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?"
    r"(@sha256:[0-9a-f]{64})?"
)


class Option(msgspec.Struct, frozen=True):
    """What a target may be told with `--set name=value`: what it takes without, and one line for people.

    choices: the words it may be; empty: any text.
    """

    default: str
    help: str
    choices: tuple[str, ...] = ()


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """The verified bundle of an export. files: every file of it by its path, the very bytes that were hashed."""

    bundle: str
    version: int | None
    folder: Path
    manifest: Manifest
    signature: Signature
    signer: str
    files: Mapping[str, bytes]


class Exported(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What is exported, ready to go elsewhere. All of it comes from bundle and project: no clock, no host name.

    model: the route's name. trusted: hex public keys that the project trusts. settings: of the whole project. root:
    the project's folder; home: where its state lives on this machine, for targets that look things up, and never to
    be written into what is exported. fairlead: version of the program. image: reference of the container image, with
    a tag that is not `latest`; empty where there is no bundle and nobody named one. options: what the target was told,
    complete and checked. sealed: the version; None only for targets that do without (`bundled = False`). route: how
    its requests are assigned, sampled and redacted. encrypted: where this machine takes the key for records at rest
    from, "" where they are not encrypted.
    """

    model: str
    settings: Settings
    root: Path
    home: Path
    trusted: tuple[str, ...]
    fairlead: str
    image: str
    options: Mapping[str, str] = {}
    sealed: Sealed | None = None
    route: Route | None = None
    encrypted: str = ""

    def the(self) -> Sealed:
        """The version. Raises BundleNotFound where there is none."""
        if self.sealed is None:
            raise BundleNotFound("nothing has been trained yet: run `fairlead train` first.")
        return self.sealed

    @property
    def bundle(self) -> str:
        """Its id."""
        return self.the().bundle

    @property
    def version(self) -> int | None:
        """Its number; None for a bundle that was never registered."""
        return self.the().version

    @property
    def folder(self) -> Path:
        """Where it lies on this machine."""
        return self.the().folder

    @property
    def manifest(self) -> Manifest:
        """What it is made of, and its lineage."""
        return self.the().manifest

    @property
    def signature(self) -> Signature:
        """Columns in, outputs."""
        return self.the().signature

    @property
    def signer(self) -> str:
        """Hex public key of its seal."""
        return self.the().signer

    @property
    def files(self) -> Mapping[str, bytes]:
        """Its files by their paths, manifest and seal among them, in their order."""
        return self.the().files

    @cached_property
    def name(self) -> str:
        """The model's name as DNS, Kubernetes and the clouds take one: lower case, digits and dashes, 40 at most."""
        return dns_name(self.model)

    @property
    def native(self) -> bool:
        """Whether the model runs in its own library, in a process of its own."""
        return any(path.startswith("model/native/") for path in self.manifest.files)

    @property
    def at(self) -> int:
        """Seconds since the epoch that stand for the bundle wherever a date is asked for: the newest row it learnt.

        0 where rows carry no time. Never the time of the export: equal bundles give equal bytes.
        """
        return max(0, int(self.manifest.lineage.trained_to))


def dns_name(text: str) -> str:
    """`text` as a DNS label of at most 40 characters; "model" where nothing of it may stand in one."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not plain:
        return "model"
    return fitted(plain if plain[0].isalpha() else f"m-{plain}", 40)


def fitted(name: str, most: int) -> str:
    """A DNS label in at most `most` characters. One that is cut ends with digits of its hash: two that only begin alike
    stay two names, where the second would take the place of the first."""
    if len(name) <= most:
        return name
    return f"{name[: most - 7].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def image_name(model: str, version: int | None, bundle: str) -> str:
    """The reference of an image that nobody named: a tag that says which bundle, never `latest`."""
    return f"fairlead/{dns_name(model)}:{'' if version is None else f'v{version}-'}{bundle[:12]}"


def checked_image(reference: str, key: str = "--image") -> str:
    """An image reference with a tag, a digest or both. key: where it was given. Raises ConfigInvalid for none, and for
    `latest`."""
    found = _IMAGE.fullmatch(reference)
    if found is None or not (found[1] or found[2]) or found[1] == ":latest" or len(reference) > 512:
        raise ConfigInvalid(
            f"{reference!r} is no image reference with a tag other than latest.",
            key=key,
            cure="Write one as registry.example.org/team/churn:v3.",
        )
    return reference


def told(target: str, known: Mapping[str, Option], given: Sequence[str]) -> dict[str, str]:
    """The options of a target as `--set name=value` gave them, the others by default. Raises UsageError."""
    options = {name: option.default for name, option in known.items()}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or name not in known:
            names = ", ".join(known) or "none"
            raise UsageError(f"--set {one!r}: {target} has no such option. Known, as name=value: {names}.")
        choices = known[name].choices
        if choices and value not in choices:
            raise UsageError(f"--set {one!r}: {name} is one of {', '.join(choices)}.")
        options[name] = value
    return options


def place(made: Path, to: Path, *, listing: Mapping[str, Any], force: bool) -> None:
    """Put the folder `made` in place of `to`, whole or not at all; what is there already must be an export.

    Raises UsageError where it is something else, or was edited by hand (unless `force`).
    """
    files = {path: _hash(made / path) for path in files_below(made)}
    text = json.dumps({"format": 1, **listing, "files": files}, indent=1, sort_keys=True) + "\n"
    (made / LISTING).write_text(text, encoding="utf-8")
    for folder, _, names in os.walk(made):
        for name in names:
            _sync(Path(folder) / name)
        _sync(Path(folder))
    if to.exists():
        require_replaceable(to, force=force)
        gone = to.with_name(f".{to.name}.old-{os.getpid()}")
        shutil.rmtree(gone, ignore_errors=True)
        os.rename(to, gone)
        os.rename(made, to)
        shutil.rmtree(gone, ignore_errors=True)
    else:
        os.rename(made, to)
    _sync(to.parent)


def take_up(to: Path) -> None:
    """Put right what an export left that was killed: the folder before is back where none took its place, and what it
    wrote aside is gone. What a living process writes is left alone."""
    if not to.parent.is_dir():
        return
    for entry in sorted(os.scandir(to.parent), key=lambda one: one.name):
        found = _ASIDE.fullmatch(entry.name)
        if found is None or found[1] != to.name or _lives(int(found[3])):
            continue
        if found[2] == "old" and not to.exists():
            os.rename(entry.path, to)
        else:
            shutil.rmtree(entry.path, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def require_replaceable(folder: Path, *, force: bool = False) -> None:
    """Raises UsageError unless `folder` is empty, or what an export left there and nobody edited since.

    force: what was edited may go. What no export wrote never does: it would be gone for good.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file: give a folder with --out.")
    found = files_below(folder)
    if not found:
        return
    known = listing_of(folder)
    if known is None:
        raise UsageError(
            f"{folder} holds files that no export wrote, which --force does not remove either: give another folder "
            "with --out."
        )
    edited = sorted(path for path in found if path != LISTING and known.files.get(path) != _hash(folder / path))
    if edited and not force:
        shown = ", ".join(edited[:3]) + (", …" if len(edited) > 3 else "")
        raise UsageError(
            f"{folder} was edited since it was exported ({shown}): give another folder with --out, or --force."
        )


def files_below(folder: Path) -> list[str]:
    """Paths of all files below a folder, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


class Listing(msgspec.Struct):
    """What an export left in its folder. image: how it named its image. files: their hashes by path."""

    files: dict[str, str]
    image: str = ""


def listing_of(folder: Path) -> Listing | None:
    """None where no export wrote the folder."""
    try:
        raw = (folder / LISTING).read_bytes()[:_MOST_LISTED]
        return msgspec.json.decode(raw, type=Listing)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None


def _hash(path: Path) -> str:
    if path.is_symlink():
        return f"-> {os.readlink(path)}"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
