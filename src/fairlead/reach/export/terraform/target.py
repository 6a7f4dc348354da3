"""A configuration of Terraform (or OpenTofu) that serves a version on AWS, Google Cloud or Azure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from fairlead.reach.export.alone import secrets_of, without_secrets
from fairlead.reach.export.exported import Exported, Option, fitted
from fairlead.reach.export.fargate import RIGHTS, collector_files, environment
from fairlead.reach.export.kubernetes.documents import write_files

BUCKET = "${aws_s3_bucket.data.id}"
HERE = Path(__file__).parent
"""A folder a cloud, and one for every cloud, with @WORDS@ that are filled in."""


class Terraform:
    """Terraform for AWS, Google Cloud or Azure: what serves, storage, roles, network, scaling, alarms, backups."""

    name = "terraform"
    options: ClassVar[Mapping[str, Option]] = {
        "cloud": Option("aws", "which cloud", ("aws", "gcp", "azure")),
        "serve": Option("ecs", "aws: what runs the image", ("ecs", "sagemaker")),
    }

    def write(self, exported: Exported, to: Path) -> tuple[Path, ...]:
        """The files of one root module. What differs between accounts are its variables: of all clouds in variables.tf,
        others where they are used. Raises UsageError where servers would lack a secret that they cannot do without."""
        secrets = secrets_of(exported)
        if where := _without(exported):
            without_secrets(exported, where)
        words = {
            "ENTRIES": ", ".join(one.entry for one in secrets),
            "SECRETS": ", ".join(f'{one.variable} = "{one.entry}"' for one in secrets),
            # It has to be given where nothing would start or answer without.
            "DEFAULT": "" if exported.encrypted or exported.settings.access.required else '  default     = ""\n',
            "SETTINGS": ", ".join(f'{name} = "{value}"' for name, value in environment(exported, BUCKET).items()),
            "RIGHTS": ", ".join(f'"{right}"' for right in RIGHTS),
            "NAME": exported.name,
            # Names that some of the clouds want shorter than others.
            "BUCKET": fitted(f"fairlead-{exported.name}", 36),
            "BALANCER": fitted(f"fairlead-{exported.name}", 32),
            "ACCOUNT": fitted(f"fairlead-{exported.name}", 30),
            "APP": fitted(f"fl-{exported.name}", 32),
            "MODEL": exported.model,
            "IMAGE": exported.image,
            "BUNDLE": exported.bundle[:12],
            "VERSION": "" if exported.version is None else str(exported.version),
        }
        left_out = "sagemaker.tf" if exported.options["serve"] == "ecs" else "ecs.tf"
        made = []
        files = [*(HERE / "every").glob("*.tf"), *(HERE / exported.options["cloud"]).glob("*.tf")]
        for file in sorted(files, key=lambda path: path.name):
            if file.name != left_out:
                text = re.sub(r"@([A-Z]+)@", lambda found: words[found[1]], file.read_text(encoding="utf-8"))
                (to / file.name).write_text(text, encoding="utf-8")
                made.append(to / file.name)
        if (to / "ecs.tf").exists():
            made += write_files(to, collector_files(exported))
        return tuple(made)

    def notes(self, exported: Exported) -> tuple[str, ...]:
        """What comes before and after."""
        return (
            f"Push the image of `fairlead export docker` and give its address as variable image ({exported.image}): "
            "the repository to push to comes first, by `terraform apply -target`.",
            *(
                (
                    "Without variable collector (the image that collector/Dockerfile makes) records wait on the file "
                    "system, where nobody collects them.",
                )
                if (exported.options["cloud"], exported.options["serve"]) == ("aws", "ecs")
                else ()
            ),
            *(without_secrets(exported, where) if (where := _without(exported)) else ()),
            "What holds data is kept from being destroyed; take prevent_destroy out where it is to go.",
        )


def _without(exported: Exported) -> str:
    """What serves, where no secret is handed to it; "" for Fargate."""
    told = exported.options
    if told["cloud"] == "aws":
        return "SageMaker" if told["serve"] == "sagemaker" else ""
    return {"gcp": "Cloud Run", "azure": "Container Apps"}[told["cloud"]]
