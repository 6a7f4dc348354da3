"""Software bill of materials of an image: CycloneDX 1.6, by what was locked; and its licences as a list for people."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from fairlead.reach.export.exported import Exported
from fairlead.reach.export.licences import UNKNOWN
from fairlead.reach.export.locked import Part

SPEC = "1.6"
_SPACE = uuid.UUID("0f2e2c0a-8f0f-5a0e-9a7e-6b1d3b6f7c11")


def bom(exported: Exported, parts: Iterable[Part]) -> bytes:
    """The bill as canonical JSON: the image, the model in it, every distribution with version, hashes and licence.

    Hashes of a wheel that is at hand are its own; else those of every file that the lock allows, as a distribution.
    Without a time, and with a serial number that follows from the content: equal images have equal bills.
    """
    software = sorted(parts, key=lambda part: part.name)
    image = {
        "type": "container",
        "bom-ref": "image",
        "name": exported.image.rpartition(":")[0],
        "version": exported.image.rpartition(":")[2],
    }
    components = [model_of(exported), *(component_of(part) for part in software)]
    depends = ["model", *(purl(part) for part in software)]
    body: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {
            "component": image,
            "tools": {"components": [{"type": "application", "name": "fairlead", "version": exported.fairlead}]},
        },
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": sorted(depends)}],
    }
    serial = uuid.uuid5(_SPACE, json.dumps(body, sort_keys=True))
    return (json.dumps({**body, "serialNumber": f"urn:uuid:{serial}"}, indent=1, sort_keys=True) + "\n").encode()


def model_of(exported: Exported) -> dict[str, Any]:
    """The sealed bundle as a component: its hash is its id."""
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": exported.model,
        "version": exported.bundle if exported.version is None else str(exported.version),
        "hashes": [{"alg": "SHA-256", "content": exported.bundle}],
        "properties": [
            {"name": "fairlead:bundle", "value": exported.bundle},
            {"name": "fairlead:signer", "value": exported.signer},
            {"name": "fairlead:learner", "value": exported.manifest.lineage.learner},
        ],
    }


def component_of(part: Part) -> dict[str, Any]:
    """One distribution."""
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl(part),
        "name": part.name,
        "version": part.version,
        "purl": purl(part),
    }
    if part.licence != UNKNOWN:
        found["licenses"] = [{"expression": part.licence}]
    hashes = [{"alg": "SHA-256", "content": one} for one in part.hashes]
    if part.file:
        found["hashes"] = hashes
    else:
        where = f"https://pypi.org/project/{quote(part.name)}/{quote(part.version)}/"
        found["externalReferences"] = [{"type": "distribution", "url": where, "hashes": hashes}]
    return found


def purl(part: Part) -> str:
    """Its package URL."""
    return f"pkg:pypi/{quote(part.name)}@{quote(part.version)}"


def licences_text(parts: Iterable[Part]) -> str:
    """LICENCES.txt: a line each, and where the texts are."""
    rows = sorted((part.name, part.version, part.licence) for part in parts)
    width = max(len(name) + len(version) for name, version, _ in rows) + 3
    lines = [f"{f'{name} {version}':<{width}}{licence}" for name, version, licence in rows]
    head = "What this image installs, and under which licence (SPDX). The texts are in each *.dist-info/ folder.\n"
    return "\n".join([head, *lines, ""])
