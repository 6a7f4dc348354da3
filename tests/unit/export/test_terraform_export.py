"""Terraform's files: read by a parser of HCL, whole in what they name, and no wider than they have to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.export.exporting_samples import exported

from fairlead.ops.stores.policies import S3_CALLS
from fairlead.reach.export.terraform.target import Terraform

FORMS = ({"cloud": "aws", "serve": "ecs"}, {"cloud": "aws", "serve": "sagemaker"}, {"cloud": "gcp"}, {"cloud": "azure"})


def written(folder: Path, options: dict[str, str]) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    made = Terraform().write(exported(folder.parent, Terraform, **options), folder)
    return {path.name: path.read_text() for path in made if path.suffix == ".tf"}


def blocks(texts: dict[str, str]) -> list[tuple[str, Any]]:
    """Kind and content of every block, as python-hcl2 reads them."""
    hcl2 = pytest.importorskip("hcl2", reason="python-hcl2 is not installed: make test-deps")
    return [(kind, one) for text in texts.values() for kind, found in hcl2.loads(text).items()
            if isinstance(found, list) for one in found]  # fmt: skip


@pytest.mark.verified(
    "clouds",
    "Terraform's language: AWS, Google Cloud, Azure",
    how="validated",
    by="python-hcl2; names are those of the files",
)
@pytest.mark.parametrize("options", FORMS, ids=lambda o: "-".join(o.values()))
def test_every_file_is_hcl_and_names_only_what_there_is(tmp_path: Path, options: dict[str, str]) -> None:
    texts = written(tmp_path / "t", options)
    kinds = [kind for kind, _ in blocks(texts)]
    assert {"terraform", "provider", "variable", "resource", "output"} <= set(kinds)
    whole = "\n".join(texts.values())
    plain = re.sub(r'"[^"\n]*"', lambda found: " ".join(re.findall(r"\$\{[^}]*\}", found[0])), whole)
    defined = {f"{k}.{n}" for k, n in re.findall(r'^resource "(\w+)" "(\w+)"', whole, re.MULTILINE)}
    data = {f"data.{k}.{n}" for k, n in re.findall(r'^data "(\w+)" "(\w+)"', whole, re.MULTILINE)}
    assert len(defined) == len(re.findall(r"^resource ", whole, re.MULTILINE))
    assert set(re.findall(r"\bdata\.\w+\.\w+", plain)) <= data
    used = set(re.findall(r"(?<![\w.])(?:aws|google|azurerm)_\w+\.\w+", plain))
    assert used <= defined, used - defined
    variables = set(re.findall(r'^variable "(\w+)"', whole, re.MULTILINE))
    assert set(re.findall(r"\bvar\.(\w+)", whole)) == variables
    local = [found for kind, found in blocks(texts) if kind == "locals"]
    assert set(re.findall(r"\blocal\.(\w+)", plain)) == {name for found in local for name in found if name[0] != "_"}
    assert not re.search(r"@[A-Z]+@", whole)


@pytest.mark.parametrize("options", FORMS, ids=lambda o: "-".join(o.values()))
def test_the_layout_is_that_of_terraform_fmt(tmp_path: Path, options: dict[str, str]) -> None:
    for text in written(tmp_path / "t", options).values():
        depth = 0
        for line in text.splitlines():
            body = line.strip()
            depth -= bool(re.match(r"[\]})]", body))
            assert line == ("  " * depth + body if body else ""), line
            depth += bool(re.search(r"[\[{(]$", body))
        assert depth == 0
        # Signs of equality of lines that follow each other stand below each other.
        for run in re.findall(r"(?:^ +[\w-]+ += [^\n]*[^\n{\[(]\n){2,}", text, re.MULTILINE):
            assert len({line.index(" = ") for line in run.splitlines()}) == 1, run


@pytest.mark.parametrize("options", FORMS, ids=lambda o: "-".join(o.values()))
def test_the_same_version_gives_the_same_bytes_and_data_is_kept(tmp_path: Path, options: dict[str, str]) -> None:
    assert written(tmp_path / "a", options) == written(tmp_path / "b", options)
    whole = "\n".join(written(tmp_path / "c", options).values())
    assert "prevent_destroy = true" in whole
    assert "allUsers" not in whole
    for statement in re.findall(r"actions += \[([^\]]*)\]\n\s+resources += \[\"\*\"\]", whole):
        assert statement in {
            '"ecr:GetAuthorizationToken"', '"cloudwatch:PutMetricData"', '"kms:*"',
            '"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"',
            '"kms:Decrypt", "kms:GenerateDataKey*"',
        }  # fmt: skip


def test_each_way_to_serve_has_its_own_file(tmp_path: Path) -> None:
    assert "ecs.tf" in written(tmp_path / "a", FORMS[0])
    assert "ecs.tf" not in written(tmp_path / "b", FORMS[1])


@pytest.mark.parametrize("options", FORMS, ids=lambda o: "-".join(o.values()))
def test_names_are_as_short_as_each_cloud_wants_them(tmp_path: Path, options: dict[str, str]) -> None:
    """A name of forty characters made a prefix of a bucket that AWS refuses, and accounts that ended with a dash."""
    own = exported(tmp_path, Terraform, **options)
    names = []
    for model in ("Orders_EU.2024-late-delivery-prediction-v1", "Orders_EU.2024-late-delivery-prediction-v2"):
        (tmp_path / model).mkdir()
        made = Terraform().write(msgspec.structs.replace(own, model=model), tmp_path / model)
        whole = "\n".join(path.read_text() for path in made if path.suffix == ".tf")
        for key, most in MOST.items():
            found = re.findall(rf'^resource "{key[0]}" "\w+" {{(?:\n(?!}}).*?)*\n  {key[1]} += ([^\n]*)', whole, re.M)
            for name in found:
                assert re.fullmatch(
                    rf'"[a-z][a-z0-9-]{{0,{most - 2}}}{"-" if "prefix" in key[1] else "[a-z0-9]"}"', name
                )
                names.append((key, name))
    assert len(names) == len(set(names)) > 0, "two models, no name twice"


MOST = {
    ("aws_s3_bucket", "bucket_prefix"): 37, ("aws_lb", "name"): 32, ("google_service_account", "account_id"): 30,
    ("aws_sagemaker_endpoint_configuration", "name_prefix"): 37, ("azurerm_container_app", "name"): 32,
    ("aws_backup_vault", "name"): 50, ("azurerm_data_protection_backup_vault", "name"): 50,
    ("google_cloud_run_v2_service", "name"): 49,
}  # fmt: skip
"""Characters at most, as the clouds' own providers and services take them."""


def test_who_collects_has_the_rights_to_send_and_servers_none(tmp_path: Path) -> None:
    """What is written out is what the store's calls ask for (`fairlead.ops.stores.policies`)."""
    text = written(tmp_path / "t", FORMS[0])["ecs.tf"]
    (rights,) = re.findall(r'sid += "Record"\n +actions += \[([^\]]*)\]', text)
    assert {*re.findall(r'"([^"]*)"', rights), "s3:ListBucket"} == set(S3_CALLS.values())
    assert re.search(r'"aws_iam_role_policy" "data" {\n +count += var.collector == "" \? 0 : 1\n', text)
    assert "bundles/" not in text, "the model is in the image"
    made = sorted(path.relative_to(tmp_path / "t").as_posix() for path in (tmp_path / "t" / "collector").iterdir())
    assert made == ["collector/Dockerfile", "collector/fairlead.toml"]
