"""The verbs `backup` and `restore`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.ops.flow import Workspace

Answer = dict[str, Any]
_PUBLIC = re.compile(r"[0-9a-fA-F]{64}")


def backup(
    ws: Workspace,
    to: str,
    *,
    passphrase: str = "",
    recipient: Path | None = None,
    identity: Path | None = None,
    without_keys: bool = False,
    verify: bool = False,
    keep: int = 0,
    note: bool = True,
    every_s: float = 0.0,
    say: Callable[[str], None] = lambda _line: None,
) -> Answer:
    """See `Project.backup`. note: whether an event says so; one every minute would drown the others. every_s: how often
    it is repeated, which `doctor` expects from then on."""
    from fairlead.lab.tables.addresses import shown_of
    from fairlead.ops import keep as keeping
    from fairlead.ops.keep.noting import Noted, note_backup, place_of
    from fairlead.ops.stores import store_of

    if not (passphrase or recipient or without_keys):
        raise UsageError(
            "keys are never written in the clear: give --passphrase env:NAME or file:PATH, or --recipient PUBLIC.pem, "
            "or --without-keys (a home without them cannot seal, and what it brings back is not held to its seals)."
        )
    if without_keys and (passphrase or recipient):
        raise UsageError("give keys a lock, or leave them out, not both.")
    lock = None if without_keys else keeping.lock_of(passphrase, recipient, identity)
    if verify and lock is not None and not lock.opens:
        raise UsageError("--verify opens the keys again: give --identity PRIVATE.pem beside --recipient.")
    store = store_of(to, ws.settings.stores.terms)
    try:
        done = keeping.backup(ws.home.root, ws.state, ws.key, store, lock, keep=keep, say=say)
        if note:
            ws.audit.record(ws.actor, "backup", "home", "backed up", {"to": store.address, "snapshot": done.snapshot})
        answer: Answer = {"to": store.address, **msgspec.to_builtins(done)}
        if verify:
            say("bringing it back into an empty home")
            checked = keeping.verify_backup(store, lock or keeping.KeyLock(), ws.home.run)
            answer["verified"] = msgspec.to_builtins(checked)
        plain = "" if shown_of(to) != to else place_of(to, Path())
        note_backup(
            ws.home.run,
            Noted(
                store.address, plain, done.snapshot, done.at, done.epoch, not without_keys, every_s,
                ws.clock() if verify else 0.0,
            ),
        )  # fmt: skip
        return answer
    finally:
        store.close()


def restore(
    folder: Path,
    source: str,
    *,
    into: Path | None = None,
    passphrase: str = "",
    identity: Path | None = None,
    follow: bool = False,
    promote: bool = False,
    signer: str = "",
    snapshot: str = "",
) -> Answer:
    """See `fairlead.restore`: from no project too, if `into` says where. signer: whose backup it must be, hex or a file
    that holds it; snapshot: an older one than the newest."""
    from fairlead.ops import keep as keeping
    from fairlead.ops.keep.snapshot import head_of
    from fairlead.ops.stores import store_of

    if follow and promote:
        raise UsageError("a home either follows on or is promoted: give --follow or --promote.")
    if snapshot and (follow or promote):
        raise UsageError("a home that follows goes to the newest snapshot: leave --snapshot out.")
    if signer and promote:
        raise UsageError("a home that follows knows its signer: leave --signer out.")
    signer = public_key(signer)
    project = project_of(folder, into)
    root = (into if into is not None else project.home.root).absolute()
    lock = keeping.lock_of(passphrase, None, identity)
    store = store_of(source, None if project is None else project.settings.stores.terms)
    try:
        if follow:
            return {"into": str(root), **msgspec.to_builtins(keeping.follow(store, root, lock, signer=signer))}
        if promote:
            done = keeping.promote(store, root, lock)
            answer = {"into": str(root), **msgspec.to_builtins(done)}
        else:
            if project is not None and project.settings.state.url:
                require_empty(project)
            head = head_of(store, snapshot) if snapshot else None
            back = keeping.restore(store, root, lock, head=head, signer=signer)
            answer = {"into": str(root), **msgspec.to_builtins(back)}
    finally:
        store.close()
    if project is not None:
        took_over(project, answer, "promoted" if promote else "restored")
    return answer


def public_key(text: str) -> str:
    """A public key in hex, given as that or by a file that holds it, as `keys/*.pub` do; "" for none."""
    if not text or _PUBLIC.fullmatch(text):
        return text.lower()
    try:
        with open(text, encoding="ascii") as file:
            found = file.read(200).strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if not _PUBLIC.fullmatch(found):
        raise UsageError(
            f"--signer: {text[:80]!r} is neither the 64 hex characters that `fairlead backup` names nor a file of them."
        )
    return found.lower()


def project_of(folder: Path, into: Path | None) -> Any:
    """The project whose home comes back; None where `into` says which folder it is, and that is no project's home."""
    from fairlead.contract.errors import NotAProject
    from fairlead.ops.project import Project

    try:
        project = Project.find(folder)
    except NotAProject:
        if into is None:
            raise
        return None
    return project if into is None or project.home.root.absolute() == into.absolute() else None


def require_empty(project: Any) -> None:
    """Raises StateError if the project's PostgreSQL holds a state already: a restore never mixes two."""
    from fairlead.contract.errors import StateError

    ws = Workspace(project)
    from fairlead.ops.flow.leading import open_state

    with open_state(ws) as state:
        if state.models() or state.count_events():
            raise StateError("the state database of this project holds a state already: give [state] url an empty one")


def took_over(project: Any, answer: Answer, what: str) -> None:
    """State into the database that the project names, and the event that says so."""
    from fairlead.ops.keep import fill

    ws = Workspace(project)
    if ws.settings.state.url and (ws.home.root / "state.db").exists():
        answer["rows"] = sum(fill(ws.home.root, ws.state).values())
    if (ws.home.keys / "seal.key").exists():
        ws.audit.record(ws.actor, what, "home", f"{what} from a backup", {"snapshot": answer["snapshot"]})
