"""`fairlead export TARGET`: which version, whether it may go, and its files in place whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import msgspec

from fairlead.contract import plugins
from fairlead.contract.errors import BundleRefused, UsageError
from fairlead.contract.ports import ExportTarget
from fairlead.contract.signature import Signature
from fairlead.ops.flow import Workspace, making
from fairlead.ops.flow.release import route_alone
from fairlead.reach.export.exported import (
    Exported,
    Listing,
    Sealed,
    checked_image,
    image_name,
    listing_of,
    place,
    require_replaceable,
    take_up,
    told,
)
from fairlead.runtime.bundle import verify
from fairlead.runtime.bundle.manifest import MANIFEST, SEAL, SIGNATURE, encoded
from fairlead.runtime.bundle.verifying import read_file
from fairlead.runtime.capture.keys import source_of

PORT = "export_target"


class Done(msgspec.Struct, frozen=True):
    """What an export wrote. files: paths in `folder`, sorted. notes: what a person should know, a line each."""

    target: str
    model: str
    version: int | None
    bundle: str
    image: str
    folder: str
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()


def targets() -> tuple[str, ...]:
    """All targets, built-in and of third parties."""
    return plugins.names(PORT)


def target_of(name: str) -> ExportTarget:
    """The target of that name. Raises UnknownPlugin, or MissingExtra where it needs a library that is absent."""
    found: ExportTarget = plugins.variant(PORT, name)()
    return found


def exported_of(ws: Workspace, version: str | None = None, *, image: str = "", bundled: bool = True) -> Exported:
    """A project and one of its versions (number, alias, bundle); without one what answers now, else the latest.

    What no passing attestation vouches for is refused, as deploy does (NotAttested). bundled: False where it does not
    matter whether there is a version. Raises BundleRefused where its seal does not hold, BundleNotFound,
    VersionNotFound, ConfigInvalid for an impossible image reference.
    """
    sealed = sealed_of(ws, version) if bundled or version else None
    named = image_name(ws.model, sealed.version, sealed.bundle) if sealed else ""
    return Exported(
        model=ws.model,
        settings=ws.settings,
        root=ws.project.root,
        home=ws.home.root,
        trusted=ws.trusted,
        fairlead=metadata.version("fairlead"),
        image=checked_image(image) if image else named,
        sealed=sealed,
        route=route_alone(ws, sealed.bundle) if sealed else None,
        encrypted=source_of(ws.home.root, ws.settings.capture.encrypt),
    )


def sealed_of(ws: Workspace, version: str | None) -> Sealed:
    """A version that may go out, verified, with its bytes."""
    bundle = making.resolve_bundle(ws, version or making.champion_bundle(ws))
    making.require_attested(ws, bundle)
    folder = ws.store.path(bundle)
    verified = verify(folder, ws.trusted)
    if verified.id != bundle:
        raise BundleRefused(f"the folder of bundle {bundle[:12]} holds another one")
    files = {**verified.files, MANIFEST: encoded(verified.manifest), SEAL: read_file(folder, SEAL)}
    return Sealed(
        bundle=bundle,
        version=next((v.number for v in reversed(ws.state.versions(ws.model)) if v.bundle == bundle), None),
        folder=folder,
        manifest=verified.manifest,
        signature=msgspec.json.decode(verified.files[SIGNATURE], type=Signature),
        signer=verified.signer,
        files=dict(sorted(files.items())),
    )


def require_beside(to: Path, *kept: Path) -> None:
    """Raises UsageError where a folder that is replaced whole has the project or its home in it."""
    for one in kept:
        if one.resolve().is_relative_to(to):
            raise UsageError(
                f"the project lies in {to}, which would be replaced whole: give another folder with --out."
            )


def renamed(before: Listing | None, now: Listing | None) -> tuple[str, ...]:
    """What to know where a folder that an image is built of is another one, and the image's name is not."""
    if before is None or now is None or before.image != now.image:
        return ()
    paths = (before.files.keys() | now.files.keys()) - {"README.md", "compose.yaml"}
    changed = sorted(path for path in paths if before.files.get(path) != now.files.get(path))
    if not changed:
        return ()
    shown = ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")
    return (
        f"This is another image by the same name, {now.image}: {shown} changed since the export before. Registries and "
        "machines keep what they have by a name: push it under another one, by --image.",
    )


def export(
    ws: Workspace,
    name: str,
    to: Path,
    *,
    version: str | None = None,
    image: str = "",
    options: Sequence[str] = (),
    force: bool = False,
) -> Done:
    """Write what `name` needs of a version into the folder `to`, which is replaced whole; equal input, equal bytes.

    force: also over an export that was edited. Raises UnknownPlugin, UsageError for options it does not have and for a
    folder that is no export, was edited or has the project in it, and what `exported_of` raises.
    """
    target = target_of(name)
    bundled = getattr(target, "bundled", True)
    chosen = told(name, target.options, options)
    exported = msgspec.structs.replace(exported_of(ws, version, image=image, bundled=bundled), options=chosen)
    to = to.resolve()
    require_beside(to, ws.project.root, ws.home.root)
    take_up(to)
    if to.exists():
        require_replaceable(to, force=force)
    before = listing_of(to)
    to.parent.mkdir(parents=True, exist_ok=True)
    made = to.with_name(f".{to.name}.new-{os.getpid()}")
    shutil.rmtree(made, ignore_errors=True)
    try:
        made.mkdir()
        written = target.write(exported, made)
        number, bundle = (sealed.version, sealed.bundle) if (sealed := exported.sealed) else (None, "")
        listing = {"target": name, "model": exported.model, "version": number, "bundle": bundle,
                   "image": exported.image, "options": chosen, "fairlead": exported.fairlead}  # fmt: skip
        place(made, to, listing=listing, force=force)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    files = tuple(sorted(path.relative_to(made).as_posix() for path in written))
    said = renamed(before, listing_of(to)) if getattr(target, "builds", False) else ()
    notes = (*getattr(target, "notes", lambda _: ())(exported), *said)
    subject = bundle or exported.model
    ws.audit.record(ws.actor, "export", subject, f"exported as {name}", {"target": name, "files": len(files)})
    return Done(name, exported.model, number, bundle, exported.image, str(to), files, notes)
