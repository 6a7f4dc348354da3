"""The verb that hands routes and bundles to servers on other machines."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.doors.cli.output import Json, chosen, console, show

if TYPE_CHECKING:
    from fairlead.ops.flow import Workspace


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(routes)


def routes(
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port; 0 takes a free one")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="plain HTTP, although others reach the address")] = False,
    key: Annotated[bool, typer.Option("--key", help="only print the public key that signs them")] = False,
    new_epoch: Annotated[
        bool, typer.Option("--new-epoch", help="after a restore: what others obeyed until now is older")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hand routes and bundles to servers on other machines.

    They share a secret, FAIRLEAD_ROUTES_TOKEN, check each document by the key that signs it, and say by lease what
    they answer with, so that `deploy` waits for them and `status` shows them. `fairlead up` does it, too, where
    [serve] hand_out says at which address.
    """
    from fairlead.ops.flow import Workspace
    from fairlead.runtime.serve.remote import document

    ws = Workspace.find(chosen.folder)
    if new_epoch:
        epoch = document.new_epoch(ws.home.root)
        ws.audit.record(ws.actor, "routes", ws.model, f"epoch {epoch} begins: what was obeyed before is older")
    if key or new_epoch:
        answer = {"key": ws.key.public, "epoch": document.epoch_of(ws.home.root)}
        show(answer, as_json, lambda said: console().print(said["key"] if key else f"epoch {said['epoch']}"))
        return
    _hand_out(ws, host, port, insecure)


def address_of(text: str, host: str | None = None, port: int | None = None) -> tuple[str, int]:
    """[serve] hand_out as host and port, each replaced where it is given. Raises ConfigInvalid."""
    from fairlead.contract.errors import ConfigInvalid

    said, _, number = (text or "127.0.0.1:8090").rpartition(":")
    if not said or not number.isdecimal() or int(number) > 65_535:
        raise ConfigInvalid(f"[serve] hand_out: {text!r} is no HOST:PORT, such as 0.0.0.0:8090.")
    return host or said.strip("[]"), int(number) if port is None else port


def _hand_out(ws: Workspace, host: str | None, port: int | None, insecure: bool) -> None:
    """Until SIGTERM or Ctrl-C."""
    from fairlead.doors.cli.processes import log, stop_on_signal
    from fairlead.ops.flow.lifeline import die_with_parent
    from fairlead.runtime.serve.remote.handing_out import Handing
    from fairlead.runtime.serve.remote.source import token_in

    serve = ws.settings.serve
    handing = Handing(
        address_of(serve.hand_out, host, port), ws.home.root, ws.key, token_in(dict(os.environ)),
        insecure=insecure or serve.insecure, certificate=serve.tls_certificate, certificate_key=serve.tls_key,
    )  # fmt: skip
    die_with_parent()
    stop = stop_on_signal()
    thread = threading.Thread(target=handing.serve_forever, name="fairlead-routes", daemon=True)
    thread.start()
    log(f"signed by {ws.key.public}")
    sys.stdout.write(f"ready: {handing.url}\n")
    sys.stdout.flush()
    stop.wait()
    handing.shutdown()
    handing.server_close()
