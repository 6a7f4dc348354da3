"""The collector beside a server on Fargate: its image, which carries what it knows of the project, and its settings.

Spool and records lie on the disk of the task, as several hosts that read and remove each other's spools on a network's
file system would see them late. What is collected goes to the bucket, so nothing stays there but what waits.
"""

from __future__ import annotations

from fairlead.reach.export.alone import Needed, needed
from fairlead.reach.export.exported import Exported
from fairlead.reach.export.kubernetes.collecting import (
    WATCHED_ELSEWHERE,
    collector_image,
    extra_for,
    project_of,
    store_of_records,
)
from fairlead.reach.export.kubernetes.pod import HOME, PROJECT

COMMAND = ("-C", PROJECT, "collect", "--follow", "--every", "2")
RIGHTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
"""What sending records asks for (`fairlead.ops.stores.policies`), besides to list the bucket and to use its key."""


def collector_files(exported: Exported) -> dict[str, bytes]:
    """What its image is built of, by path. The home is a volume of it, so that the task's volume is its user's."""
    tag = f"{exported.fairlead.replace('+', '-')}-{extra_for(exported) or 'clouds'}"
    carried = f'COPY fairlead.toml {PROJECT}/\nVOLUME ["{HOME}"]\n'
    return {
        "collector/Dockerfile": collector_image(
            exported, f"REPOSITORY:collector-{tag}", extra="clouds", carried=carried
        ).encode(),
        "collector/fairlead.toml": project_of(exported).encode(),
    }


def environment(exported: Exported, bucket: str) -> dict[str, str]:
    """Its variables. bucket: as the template names it; records go there unless the project names another store."""
    found = {"FAIRLEAD_HOME": HOME, "TMPDIR": HOME}
    if not store_of_records(exported.settings):
        found |= {"FAIRLEAD_SERVE__ROUTES": WATCHED_ELSEWHERE, "FAIRLEAD_STORES__RECORDS": f"s3://{bucket}/records"}
    return found


def secrets_of_collector(exported: Exported) -> tuple[Needed, ...]:
    """What it takes from the store of secrets."""
    return tuple(one for one in needed(exported) if one.entry == "records-key")
