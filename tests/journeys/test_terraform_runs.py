"""`export terraform` by Terraform itself with the provider of AWS: valid, planned; made, unchanged, unmade by moto."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.ports.object_stores import moto, wiped
from tests.unit.export.exporting_samples import exported

from fairlead.reach.export.terraform.target import Terraform

pytestmark = pytest.mark.long
PLUGINS = [
    Path(one).expanduser() for one in ("~/.terraform.d/plugins", "/usr/share/terraform/plugins", "/opt/tf-plugins")
]
FORMS = ({"cloud": "aws", "serve": "ecs"}, {"cloud": "aws", "serve": "sagemaker"}, {"cloud": "gcp"}, {"cloud": "azure"})
BY_MOTO = {"ecs": 34, "sagemaker": 17}
NOT_BY_MOTO = (
    "aws_backup_selection", "aws_efs_backup_policy", "aws_appautoscaling_target", "aws_appautoscaling_policy",
    "aws_iam_role_policy_attachment",
)  # fmt: skip
"""What moto has no calls for, or not those that the provider makes."""

FORGOTTEN = ("aws_backup_vault", "aws_backup_plan", "aws_ecs_service", "aws_sagemaker_")
"""Of these moto makes what it is told and then tells no tags, or not all attributes."""


class Run:
    """Terraform in a folder with what is exported there, asking nobody but what the environment names."""

    def __init__(self, folder: Path, options: dict[str, str], environ: dict[str, str]) -> None:
        found = shutil.which("terraform")
        if found is None:
            pytest.skip("terraform is not installed, and neither Debian nor PyPI has it")
        self.folder = folder / "t"
        self.folder.mkdir()
        Terraform().write(exported(folder, Terraform, **options), self.folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        self.program = found
        self.environ = {**kept, "CHECKPOINT_DISABLE": "1", "AWS_MAX_ATTEMPTS": "1", **environ}

    def __call__(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [self.program, *words], cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=280,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, f"terraform {' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def begin(self) -> None:
        """With a provider of AWS that lies here: the registry is asked for nothing."""
        folder = next((one for one in PLUGINS if list(one.glob("registry.terraform.io/hashicorp/aws/*"))), None)
        if folder is None:
            pytest.skip("the provider hashicorp/aws is not installed for terraform")
        self("init", "-no-color", "-input=false", f"-plugin-dir={folder}")

    def resources(self) -> list[str]:
        """Addresses of all that would be made."""
        text = "\n".join(path.read_text() for path in self.folder.glob("*.tf") if "_" not in path.name)
        return [f"{kind}.{name}" for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', text, re.M)]


def client_of(environ: dict[str, str], port: int) -> Callable[[str], Any]:
    """Clients of moto's services."""
    import boto3

    return partial(
        boto3.client, endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip


def account(environ: dict[str, str], port: int, serve: str) -> dict[str, Any]:
    """What the variables without a default are in moto's account, and the collector's image."""
    if serve == "sagemaker":
        return {"region": "us-east-1"}
    asked = client_of(environ, port)
    network = asked("ec2")
    certificate = asked("acm").request_certificate(DomainName="models.example.org")
    return {
        "region": "us-east-1", "vpc": network.describe_vpcs()["Vpcs"][0]["VpcId"],
        "subnets": [one["SubnetId"] for one in network.describe_subnets()["Subnets"]][:2],
        "certificate": certificate["CertificateArn"], "collector": "registry.example.org/collector:1",
    }  # fmt: skip


def beside_each_other(environ: dict[str, str], port: int) -> None:
    """The task that moto was told: a server, and a collector that starts before it and sends to the bucket."""
    asked = client_of(environ, port)
    (name,) = asked("ecs").list_task_definitions()["taskDefinitionArns"]
    task = asked("ecs").describe_task_definition(taskDefinition=name)["taskDefinition"]
    server, collector = task["containerDefinitions"]
    assert server["dependsOn"] == [{"containerName": "collector", "condition": "START"}]
    (bucket,) = asked("s3").list_buckets()["Buckets"]
    told = {one["name"]: one["value"] for one in collector["environment"]}
    assert told["FAIRLEAD_STORES__RECORDS"] == f"s3://{bucket['Name']}/records"
    assert [one["name"] for one in task["volumes"]] == ["home"]
    assert not task["volumes"][0].get("efsVolumeConfiguration")


@pytest.mark.verified(
    "clouds", "Terraform's layout: AWS, Google Cloud, Azure", how="run", by="terraform 1.11 fmt -check: nothing to do"
)
@pytest.mark.parametrize("options", FORMS, ids=lambda o: "-".join(o.values()))
def test_terraform_fmt_has_nothing_to_do(tmp_path: Path, options: dict[str, str]) -> None:
    assert Run(tmp_path, options, {})("fmt", "-check", "-diff", "-no-color") == ""


@pytest.mark.verified(
    "clouds",
    "Terraform on AWS",
    how="validated",
    by="terraform 1.11 validate with hashicorp/aws 5.100, ECS and SageMaker",
)
@pytest.mark.verified(
    "clouds", "Terraform on AWS, applied", how="emulated",
    by="moto's server: planned whole, applied but for what moto lacks, second plan empty, destroyed",
)  # fmt: skip
@pytest.mark.parametrize("serve", ["ecs", "sagemaker"])
def test_what_is_planned_is_made_stays_and_is_unmade(tmp_path: Path, serve: str) -> None:
    with moto() as (port, environ):
        wiped(port)
        run = Run(
            tmp_path, {"cloud": "aws", "serve": serve}, environ | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        )
        run.begin()
        assert "Success! The configuration is valid.\n" in run("validate", "-no-color"), "and no warning"
        (run.folder / "terraform.tfvars.json").write_text(json.dumps(account(environ, port, serve)))
        # Beside what is exported: addresses of moto's, and that what is to be kept may go.
        kept = re.findall(
            r'^resource "(\w+)" "(\w+)" \{(?:\n(?!\}).*)*prevent_destroy = true',
            "\n".join(path.read_text() for path in run.folder.glob("*.tf")), re.M,
        )  # fmt: skip
        (run.folder / "here_override.tf").write_text(
            'provider "aws" {\n  s3_use_path_style = true\n  max_retries = 1\n}\n'
            + "".join(f'resource "{k}" "{n}" {{\n lifecycle {{\n  prevent_destroy = false\n }}\n}}\n' for k, n in kept)
        )
        made = [one for one in run.resources() if not one.startswith(NOT_BY_MOTO)]
        words = ["-no-color", "-input=false"]
        whole = re.search(r"Plan: (\d+) to add, 0 to change, 0 to destroy", run("plan", "-no-color", "-input=false"))
        assert whole
        assert int(whole[1]) >= len(run.resources())
        told = run("apply", "-auto-approve", *words, *(f"-target={one}" for one in made))
        count = int(re.search(r"Resources: (\d+) added, 0 changed", told)[1])  # type: ignore[index]
        print(f"{serve}: {count} of {whole[1]} resources made by moto")
        assert count >= BY_MOTO[serve], told[-500:]
        if serve == "ecs":
            beside_each_other(environ, port)
        # SageMaker's alarms name the endpoint, and a target brings along what it names.
        forgotten = (*FORGOTTEN, *(("aws_cloudwatch_metric_alarm",) if serve == "sagemaker" else ()))
        remembered = [f"-target={one}" for one in made if not one.startswith(forgotten)]
        run("plan", "-detailed-exitcode", *words, *remembered)
        assert f"{count} destroyed" in run("destroy", "-auto-approve", *words)
