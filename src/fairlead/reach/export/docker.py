"""Target `docker`: a build context for an image of the data plane with one bundle in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import msgspec
from packaging.utils import canonicalize_name

from fairlead.contract.errors import LicenceRefused, UsageError
from fairlead.reach.export import docker_texts as texts
from fairlead.reach.export.alone import needed, terms_of
from fairlead.reach.export.exported import Exported, Option
from fairlead.reach.export.licences import asking
from fairlead.reach.export.locked import PYTHONS, Part, base, from_wheels, wheels_in
from fairlead.reach.export.plane_wheel import machine, write_plane
from fairlead.reach.export.sbom import bom, licences_text
from fairlead.runtime.bundle.manifest import NATIVE_FORM

BUNDLE_REQUIREMENTS = "requirements.txt"
NOT_FOR_ANSWERS = frozenset({"fairlead", "optuna"})
"""Named in a bundle's requirements, and not needed to run its model."""


class Docker:
    """An image of the data plane with this bundle in it, as a context that docker, podman and buildah build.

    From the base install, locked by hash; a model that was not compiled brings its own libraries as wheels.
    """

    name: ClassVar[str] = "docker"
    builds: ClassVar[bool] = True
    options: ClassVar[Mapping[str, Option]] = {
        "python": Option("3.11", "Python of the image", PYTHONS),
        "base": Option("", "base image with this Python and pip; default docker.io/library/python:3.11-slim-bookworm"),
        "wheels": Option("", "folder of wheels to install from, so that the build needs no network"),
        "licences": Option("", "names of packages, with commas, whose licences you accept although they ask for more"),
    }

    def write(self, exported: Exported, to: Path) -> tuple[Path, ...]:
        """Dockerfile, lock, wheels, bundle, bill of materials, licences, compose file, README.

        Raises LicenceRefused, and UsageError for wheels that do not fit the lock, a native model without wheels, and an
        image that has a digest already.
        """
        if "@" in exported.image:
            raise UsageError("--image: an image has a digest when it is built: name it by a tag alone.")
        (to / "wheels").mkdir()
        parts = [write_plane(to / "wheels"), *self._installed(exported, to / "wheels")]
        self._licensed(exported, parts)
        image = texts.Image(exported, self._base(exported))
        content: dict[str, bytes] = {
            "Dockerfile": image.dockerfile().encode(),
            ".dockerignore": texts.DOCKERIGNORE.encode(),
            "compose.yaml": image.compose().encode(),
            "README.md": image.readme().encode(),
            "settle.py": texts.SETTLE.encode(),
            "terms.json": msgspec.json.format(msgspec.json.encode(terms_of(exported)), indent=1) + b"\n",
            "requirements.txt": ("\n".join(part.line for part in parts) + "\n").encode(),
            "sbom.cdx.json": bom(exported, parts),
            "LICENCES.txt": licences_text(parts).encode(),
            **{f"bundle/{path}": data for path, data in exported.files.items()},
        }
        for path, data in content.items():
            file = to / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return tuple(sorted(path for path in to.rglob("*") if path.is_file()))

    def notes(self, exported: Exported) -> tuple[str, ...]:
        """What to run next, and what to know."""
        without = "" if machine() != "any" else "The compiled kernels of this machine do not run in a container: built "
        return (
            *(
                f"Containers take {one.variable} from their environment (README.md says which)."
                for one in needed(exported)
            ),
            *((f"{without}without them, answers are equal and slower.",) if without else ()),
            f"Next, in that folder: docker build -t {exported.image} .",
            f"or: buildah bud --timestamp 0 -t {exported.image} .   (the same digest each time)",
        )

    def _base(self, exported: Exported) -> str:
        return exported.options["base"] or f"docker.io/library/python:{exported.options['python']}-slim-bookworm"

    def _installed(self, exported: Exported, to: Path) -> list[Part]:
        """What goes beside the data plane, by name; wheels that are given are copied to `to`."""
        wanted = base(exported.options["python"], extras_of(exported))
        given = exported.options["wheels"]
        if not given:
            if exported.native:
                lock = files("fairlead.reach.export") / "locks" / "base.txt"
                get = "pip download --only-binary :all: -d FOLDER -r"
                raise UsageError(
                    f"{exported.model} runs in its own libraries, for which no lock ships: give their wheels with "
                    f"--set wheels=FOLDER. Two commands make such a folder: {get} "
                    f"{exported.folder / BUNDLE_REQUIREMENTS} and {get} {lock} --require-hashes"
                )
            return wanted
        folder = exported.root / given
        found = wheels_in(folder)
        parts = {
            part.name: part for part in from_wheels(wanted if not exported.native else _free(wanted, found), found)
        }
        if exported.native:
            _require(exported, found)
            parts = {name: part for name, part in found.items() if name not in NOT_FOR_ANSWERS}
        for part in parts.values():
            shutil.copyfile(folder / part.file, to / part.file)
        return [parts[name] for name in sorted(parts)]

    def _licensed(self, exported: Exported, parts: list[Part]) -> None:
        accepted = {name.strip() for name in exported.options["licences"].split(",") if name.strip()}
        held = [(name, said) for name, said in asking((p.name, p.licence) for p in parts) if name not in accepted]
        if held:
            told = "; ".join(f"{name}: {said if said != 'NOASSERTION' else 'not stated'}" for name, said in held)
            names = ",".join(sorted(accepted | {name for name, _ in held}))
            raise LicenceRefused(
                f"licences that ask for more than to be named: {told}. If you may pass them on, say so with "
                f"--set licences={names}"
            )


def extras_of(exported: Exported) -> list[str]:
    """Extras without which the data plane could not do what the project asks of it."""
    settings = exported.settings
    asked = {"grpc": settings.serve.grpc_port is not None, "telemetry": bool(settings.telemetry.otlp)}
    return [name for name, needed in asked.items() if needed]


def _free(wanted: list[Part], found: Mapping[str, Part]) -> list[Part]:
    """The base install of a native image: what its model was made with goes before the lock's version."""
    return [part if part.name not in found or found[part.name].version == part.version else found[part.name]
            for part in wanted]  # fmt: skip


def _require(exported: Exported, found: Mapping[str, Part]) -> None:
    """Every library that the model was made with, in the very version, and its Python. Raises UsageError."""
    made = json.loads(exported.files[NATIVE_FORM]).get("python", "").rpartition(".")[0]
    if made and made != exported.options["python"]:
        raise UsageError(f"the model was sealed with Python {made}, which its image needs: --set python={made}")
    lines = exported.files[BUNDLE_REQUIREMENTS].decode("utf-8", "replace").split()
    wrong = []
    for line in lines:
        name, _, version = line.partition("==")
        at_hand = found.get(canonicalize_name(name))
        if name and name not in NOT_FOR_ANSWERS and (at_hand is None or at_hand.version != version):
            wrong.append(f"{line}{'' if at_hand is None else f' (there is {at_hand.version})'}")
    if wrong:
        raise UsageError(f"the model was made with versions that the wheels lack: {', '.join(wrong[:8])}.")
