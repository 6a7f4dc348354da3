"""`fairlead backup` and `fairlead restore`: a home kept elsewhere, and brought back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fairlead.contract.errors import UsageError
from fairlead.doors.cli.output import Json, Steps, chosen, console, escape, moment, program, show

Answer = dict[str, Any]

Passphrase = Annotated[str, typer.Option(help="where the passphrase of the keys is: env:NAME or file:PATH")]
Identity = Annotated[Path | None, typer.Option(help="PEM file of the private X25519 key that opens the keys")]
Every = Annotated[float, typer.Option(min=0.0, help="go on, once every so many seconds; 0: only once")]


def add_to(app: typer.Typer) -> None:
    """Add this module's verbs."""
    for verb in (backup, restore):
        app.command()(verb)


def backup(
    to: Annotated[str, typer.Argument(help="a folder, or s3://, az://, gs://, hdfs://")],
    passphrase: Passphrase = "",
    recipient: Annotated[Path | None, typer.Option(help="PEM file of the public X25519 key to lock keys for")] = None,
    identity: Identity = None,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="leave the keys out")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="bring it back into an empty home and ask its models")
    ] = False,
    keep: Annotated[int, typer.Option(min=0, help="newest snapshots to keep; 0: all")] = 0,
    every: Every = 0.0,
    as_json: Json = False,
) -> None:
    """Back the home up to a folder or an object store.

    State, bundles, records, reports, registry and keys as of one moment, while everything runs; only what changed since
    the last one goes up. Keys are encrypted or left out. Exit 3 when another home took this place over.
    """
    from fairlead.doors.cli.output import project

    asked = project()

    def once(say: Any) -> Answer:
        return asked.backup(
            to, passphrase=passphrase, recipient=recipient, identity=identity, without_keys=without_keys,
            verify=verify, keep=keep, note=not every, every_s=every, say=say,
        )  # fmt: skip

    if every:
        on_and_on(as_json, every, lambda: backed_up(once(lambda _line: None)))
        return
    with Steps() as steps:
        answer = once(lambda line: steps(line, None))
    show(answer, as_json, tell_backup)


def backed_up(answer: Answer) -> str:
    went = f"{size(answer['stored'])} of {size(answer['bytes'])} went up"
    return f"snapshot {answer['snapshot']}: {answer['files']:,} files, {went}, {answer['seconds']:.1f} s"


def tell_backup(answer: Answer) -> None:
    out = console()
    out.print(f"{escape(backed_up(answer))} to {escape(answer['to'])}")
    out.print(f"signed by {answer['signer']}: keep it for `restore --signer`")
    if answer["pruned"]:
        out.print(f"{answer['pruned']:,} objects of older snapshots are gone")
    if "verified" in answer:
        found = answer["verified"]
        out.print(
            f"[green]verified[/]: brought back in {found['seconds']:.1f} s, {found['events']:,} events of the audit "
            f"chain hold, {found['answers']} bundles answer their golden rows"
        )


def restore(
    source: Annotated[str, typer.Argument(help="where backups are")],
    into: Annotated[Path | None, typer.Option(help="the home's folder; else the project's home")] = None,
    passphrase: Passphrase = "",
    identity: Identity = None,
    follow: Annotated[bool, typer.Option("--follow", help="keep a second home up to date")] = False,
    every: Every = 0.0,
    promote: Annotated[bool, typer.Option("--promote", help="make the home that follows the live one")] = False,
    signer: Annotated[
        str, typer.Option(help="public key that must have signed it, as `backup` named it: hex, or a file of it")
    ] = "",
    snapshot: Annotated[str, typer.Option(help="an older snapshot than the newest, by its name")] = "",
    as_json: Json = False,
) -> None:
    """Bring a home back from a backup, whole or not at all.

    It is checked before it appears: every hash, the signature, the audit chain, and the golden rows of what was
    deployed. With --follow a second home stays up to date; --promote makes it the live one.
    """
    from fairlead.doors.python.keeping import restore as bring

    def once() -> Answer:
        return bring(
            chosen.folder, source, into=into, passphrase=passphrase, identity=identity, follow=follow, promote=promote,
            signer=signer, snapshot=snapshot,
        )  # fmt: skip

    if every:
        if not follow:
            raise UsageError("--every goes with --follow.")
        on_and_on(as_json, every, lambda: tell_followed(once()))
        return
    tell = tell_promoted if promote else (lambda a: console().print(escape(tell_followed(a)))) if follow else (
        lambda a: tell_back(a, bool(signer))
    )  # fmt: skip
    show(once(), as_json, tell)


def on_and_on(as_json: bool, every: float, what: Any) -> None:
    """Until stopped: a line each time."""
    if as_json:
        raise UsageError("--json prints one object, so it goes without --every.")
    from fairlead.doors.cli.processes import repeat

    repeat(what, every)


def tell_followed(answer: Answer) -> str:
    if not answer["new"]:
        return ""
    fresh = answer["bytes"] - answer["reused"]
    return f"now as of {moment(answer['at'])} UTC ({answer['behind_s']:.0f} s ago): {size(fresh)} came"


def tell_promoted(answer: Answer) -> None:
    out = console()
    out.print(f"this home is the live one, as of {moment(answer['at'])} UTC ({answer['behind_s']:.0f} s ago)")
    out.print(f"the store is in epoch {answer['epoch']}: what the home before writes there counts no more")
    out.print(f"next: {program('up')}")


def tell_back(answer: Answer, expected: bool) -> None:
    out = console()
    rate = answer["bytes"] / max(answer["seconds"], 1e-9)
    out.print(f"{answer['files']:,} files, {size(answer['bytes'])} in {answer['seconds']:.1f} s ({size(rate)}/s)")
    out.print(
        f"as of {moment(answer['at'])} UTC, {answer['behind_s']:.0f} s before this call: "
        "what came in between is not in the backup"
    )
    held = f"{answer['events']:,} events of the audit chain hold"
    if answer["keys"]:
        out.print(f"[green]checked[/]: {held}, {answer['answers']} bundles answer their golden rows as sealed")
    else:
        out.print(f"{held}; [yellow]without keys[/]: nothing was held to its seals")
    if not expected:
        out.print(f"signed by {answer['signer']}: as `backup` named it? See --signer")
    out.print(f"next: {program('doctor')}, then {program('up')}")


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError
