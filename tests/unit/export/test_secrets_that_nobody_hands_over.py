"""Where an export has no way to hand a secret over, what could not start or answer without it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.export.exporting_samples import exported

from fairlead.contract.errors import UsageError
from fairlead.contract.routes import Route
from fairlead.contract.settings import AccessSettings
from fairlead.reach.export import Exported
from fairlead.reach.export.cloudformation import CloudFormation
from fairlead.reach.export.terraform.target import Terraform

WAYS = [
    (Terraform, {"cloud": "gcp"}),
    (Terraform, {"cloud": "azure"}),
    (Terraform, {"cloud": "aws", "serve": "sagemaker"}),
    (CloudFormation, {"serve": "sagemaker"}),
]


def made(own: Exported, target: Any, to: Path) -> None:
    to.mkdir(exist_ok=True)
    target().write(own, to)


@pytest.mark.parametrize(("target", "options"), WAYS, ids=lambda one: "-".join(one.values()) if one is dict else None)
def test_what_could_not_start_or_answer_is_refused(tmp_path: Path, target: Any, options: dict[str, str]) -> None:
    """Servers that were made so ended at once: the key of their records was nowhere."""
    own = exported(tmp_path, target, **options)

    def told(**access: Any) -> Exported:
        return msgspec.structs.replace(
            own, settings=msgspec.structs.replace(own.settings, access=AccessSettings(**access))
        )

    with pytest.raises(UsageError, match=r"\[capture\] encrypt"):
        made(msgspec.structs.replace(own, encrypted="env:RECORDS"), target, tmp_path / "encrypted")
    with pytest.raises(UsageError, match=r"\[access\] required"):
        made(told(required=True), target, tmp_path / "required")
    made(told(required=True, jwks="https://login.example.org/keys"), target, tmp_path / "tokens")
    redacts = msgspec.structs.replace(own, route=Route(model="Churn.2", variants=(), redact=("plan",)))
    made(redacts, target, tmp_path / "redacted")
    assert any("hash" in note for note in target().notes(redacts)), "each server hashes by a key of its own"
    assert not any("hash" in note for note in target().notes(own))


@pytest.mark.parametrize(
    ("target", "options"), [(Terraform, {"cloud": "aws", "serve": "ecs"}), (CloudFormation, {"serve": "ecs"})]
)
def test_fargate_takes_them_from_secrets_manager(tmp_path: Path, target: Any, options: dict[str, str]) -> None:
    own = msgspec.structs.replace(exported(tmp_path, target, **options), encrypted="env:RECORDS")
    made(own, target, tmp_path / "out")
