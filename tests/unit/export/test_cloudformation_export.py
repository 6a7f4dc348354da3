"""The CloudFormation template: clean by cfn-lint, made, made again and unmade against moto's server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.journeys.cli import fairlead
from tests.unit.export.exporting_samples import exported

from fairlead.contract.settings import AccessSettings
from fairlead.ops.stores.policies import S3_CALLS
from fairlead.reach.export.cloudformation import CloudFormation
from fairlead.reach.export.fargate import environment

SERVES = ("ecs", "sagemaker")


def template(folder: Path, serve: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    CloudFormation().write(exported(folder.parent, CloudFormation, serve=serve), folder)
    return folder / "template.yaml"


@pytest.mark.parametrize("serve", SERVES)
def test_the_same_version_gives_the_same_bytes(tmp_path: Path, serve: str) -> None:
    one, two = (template(tmp_path / name, serve) for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    assert str(tmp_path) not in one.read_text()


@pytest.mark.parametrize("serve", SERVES)
def test_no_right_is_wider_than_it_has_to_be(tmp_path: Path, serve: str) -> None:
    resources = yaml.safe_load(template(tmp_path / "t", serve).read_text())["Resources"]
    roles = {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"}
    for properties in roles.values():
        for policy in properties.get("Policies", ()):
            asked = policy["PolicyDocument"]["Statement"]
            either = [one for found in asked for one in found.get("Fn::If", [None, found])[1:] if "Action" in one]
            assert either
            for statement in either:
                assert not any("*" in action for action in statement["Action"])
                if "*" in statement["Resource"]:
                    assert statement["Action"] in (["ecr:GetAuthorizationToken"], ["cloudwatch:PutMetricData"])
    groups = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::EC2::SecurityGroup"]
    assert not any(rule.get("CidrIp") == "0.0.0.0/0" for group in groups for rule in group["SecurityGroupIngress"])
    assert all(resources["Bucket"]["Properties"]["PublicAccessBlockConfiguration"].values())
    for name in ("Key", "Bucket", "Repository", "Vault"):
        assert resources[name]["DeletionPolicy"] == "Retain"


@pytest.mark.long
@pytest.mark.verified("clouds", "AWS CloudFormation", how="validated", by="cfn-lint, ECS and SageMaker templates")
@pytest.mark.parametrize("serve", SERVES)
def test_cfn_lint_has_nothing_to_say(tmp_path: Path, serve: str) -> None:
    found = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("cfn-lint is not installed: make test-deps")
    words = [found, "--include-checks", "I", "--regions", "eu-central-1", "us-east-1", "--"]
    words += [str(template(tmp_path / "t", serve))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def aws() -> Iterator[Any]:
    """Clients of a cloud that moto plays, over HTTP."""
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: make test-deps")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()

        def client(service: str) -> Any:
            return boto3.client(
                service, endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
                aws_access_key_id="testing", aws_secret_access_key="testing",
            )  # fmt: skip

        yield client
    finally:
        # What moto plays is kept by the process, whatever its servers do.
        urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
        server.stop()


def network(aws: Any) -> list[dict[str, str]]:
    """What a stack on Fargate has to be told."""
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("ab")
    ]
    certificate = aws("acm").request_certificate(DomainName="churn.example.org")["CertificateArn"]
    given = {"Vpc": vpc, "SubnetA": subnets[0], "SubnetB": subnets[1], "Certificate": certificate}
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]


@pytest.mark.long
@pytest.mark.verified(
    "clouds",
    "AWS CloudFormation stacks",
    how="emulated",
    by="moto's server: made (22 of 30, 10 of 17 resources), no change, unmade",
)
@pytest.mark.parametrize("serve", SERVES)
def test_a_stack_is_made_found_the_same_and_unmade(tmp_path: Path, aws: Any, serve: str) -> None:
    body = template(tmp_path / "t", serve).read_text()
    given = network(aws) if serve == "ecs" else []
    formation = aws("cloudformation")
    told = {"StackName": "churn", "TemplateBody": body, "Capabilities": ["CAPABILITY_IAM"]}
    # First what an image can be pushed to, then what serves it.
    formation.create_stack(**told, Parameters=[*given, {"ParameterKey": "Serve", "ParameterValue": "no"}])
    assert formation.describe_stacks(StackName="churn")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    assert aws("ecr").describe_repositories()["repositories"]
    assert aws("ecs").list_clusters()["clusterArns"] == aws("sagemaker").list_models()["Models"] == []
    given.append({"ParameterKey": "Serve", "ParameterValue": "yes"})
    if serve == "ecs":
        given.append({"ParameterKey": "Collector", "ParameterValue": "registry.example.org/collector:1"})
    formation.update_stack(**told, Parameters=given)
    (stack,) = formation.describe_stacks(StackName="churn")["Stacks"]
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    made = {
        r["LogicalResourceId"]: r for r in formation.list_stack_resources(StackName="churn")["StackResourceSummaries"]
    }
    # Rules of buckets, backups, alarms and scaling are what moto does not make of a template.
    assert len(made) == (22 if serve == "ecs" else 10)
    bucket = made["Bucket"]["PhysicalResourceId"]
    s3 = aws("s3")
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    (repository,) = aws("ecr").describe_repositories()["repositories"]
    assert repository["repositoryName"] == "fairlead/churn-2"
    if serve == "ecs":
        (cluster,) = aws("ecs").list_clusters()["clusterArns"]
        (service,) = aws("ecs").list_services(cluster=cluster)["serviceArns"]
        (found,) = aws("ecs").describe_services(cluster=cluster, services=[service])["services"]
        assert found["status"] == "ACTIVE"
        task = aws("ecs").describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
        # How many there are is all that moto keeps of a template's containers.
        assert len(task["containerDefinitions"]) == 2
        (target,) = aws("elbv2").describe_target_groups()["TargetGroups"]
        assert target["HealthCheckPath"] == "/v2/health/ready"
    else:
        (endpoint,) = aws("sagemaker").list_endpoints()["Endpoints"]
        assert endpoint["EndpointStatus"] == "InService"
    change = {"StackName": "churn", "TemplateBody": body, "Parameters": given, "Capabilities": ["CAPABILITY_IAM"]}
    formation.create_change_set(ChangeSetName="again", ChangeSetType="UPDATE", **change)
    assert formation.describe_change_set(StackName="churn", ChangeSetName="again").get("Changes", []) == []
    other = {**change, "TemplateBody": body.replace("NoncurrentDays: 90", "NoncurrentDays: 91")}
    formation.create_change_set(ChangeSetName="other", ChangeSetType="UPDATE", **other)
    (changed,) = formation.describe_change_set(StackName="churn", ChangeSetName="other")["Changes"]
    assert changed["ResourceChange"]["LogicalResourceId"] == "Bucket"
    formation.delete_stack(StackName="churn")
    assert not formation.list_stacks(StackStatusFilter=["UPDATE_COMPLETE"])["StackSummaries"]
    assert aws("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert aws("sagemaker").list_endpoints()["Endpoints"] == []
    assert not re.search("0.0.0.0/0", body)


def test_what_could_not_start_without_a_secret_asks_for_one(tmp_path: Path) -> None:
    plain = yaml.safe_load(template(tmp_path / "plain", "ecs").read_text())
    assert plain["Parameters"]["Keys"]["Default"] == ""
    own = exported(tmp_path, CloudFormation, serve="ecs")
    required = msgspec.structs.replace(
        own, settings=msgspec.structs.replace(own.settings, access=AccessSettings(required=True))
    )
    encrypted = msgspec.structs.replace(own, encrypted="env:RECORDS")
    for one, names in ((required, ["FAIRLEAD_KEY"]), (encrypted, ["FAIRLEAD_KEY", "RECORDS"])):
        (tmp_path / "out").mkdir(exist_ok=True)
        CloudFormation().write(one, tmp_path / "out")
        told = yaml.safe_load((tmp_path / "out" / "template.yaml").read_text())
        assert "Default" not in told["Parameters"]["Keys"]
        task = resolved(told["Resources"]["Task"]["Properties"], {"Keyed": True, "Beside": False})
        (container,) = task["ContainerDefinitions"]
        assert [secret["Name"] for secret in container["Secrets"]] == names
    assert told["Resources"]["Topic"]["Properties"]["KmsMasterKeyId"] == {"Ref": "Key"}, "SNS's own is not CloudWatch's"


def resolved(found: Any, told: dict[str, bool]) -> Any:
    """What CloudFormation makes of `Fn::If` by these conditions."""
    if isinstance(found, dict) and "Fn::If" in found:
        name, then, otherwise = found["Fn::If"]
        return resolved(then if told[name] else otherwise, told)
    if isinstance(found, dict):
        values = {key: resolved(value, told) for key, value in found.items()}
        return {key: value for key, value in values.items() if value != {"Ref": "AWS::NoValue"}}
    if isinstance(found, list):
        return [one for one in (resolved(value, told) for value in found) if one != {"Ref": "AWS::NoValue"}]
    return found


def test_a_collector_beside_each_server_sends_what_was_recorded(tmp_path: Path) -> None:
    """Records waited on a file system for ever, where nobody collected them, and servers had rights they never used."""
    own = msgspec.structs.replace(exported(tmp_path, CloudFormation, serve="ecs"), encrypted="env:RECORDS")
    files = {path.name: path.read_text() for path in CloudFormation().write(own, tmp_path / "out")}
    told = yaml.safe_load(files["template.yaml"])["Resources"]
    task = resolved(told["Task"]["Properties"], {"Beside": True, "Keyed": True})
    server, collector = task["ContainerDefinitions"]
    assert server["DependsOn"] == [{"ContainerName": "collector", "Condition": "START"}], "so it ends after the server"
    assert (server["Essential"], collector["Essential"], collector["Image"]) == (True, False, {"Ref": "Collector"})
    assert collector["Command"] == ["-C", "/project", "collect", "--follow", "--every", "2"]
    environ = {one["Name"]: one["Value"] for one in collector["Environment"]}
    assert environ.pop("FAIRLEAD_STORES__RECORDS") == {"Fn::Sub": "s3://${Bucket}/records"}
    assert environ == {
        "FAIRLEAD_HOME": "/var/lib/fairlead", "TMPDIR": "/var/lib/fairlead", "FAIRLEAD_SERVE__ROUTES": "image:",
    }  # fmt: skip
    assert [one["Name"] for one in collector["Secrets"]] == ["RECORDS"], "it says no key of callers"
    assert server["MountPoints"] == collector["MountPoints"]
    assert task["Volumes"] == [{"Name": "home"}], "of the task alone: spools are removed by who collected them"
    rights = resolved(told["TaskRole"]["Properties"], {"Beside": True})["Policies"][0]["PolicyDocument"]["Statement"]
    assert {action for one in rights for action in one["Action"]} == {
        *S3_CALLS.values(), "kms:Decrypt", "kms:GenerateDataKey",
    }  # fmt: skip
    alone = resolved(told["Task"]["Properties"], {"Beside": False, "Keyed": False})
    assert [one["Name"] for one in alone["ContainerDefinitions"]] == ["fairlead"]
    assert "EFSVolumeConfiguration" in alone["Volumes"][0]
    (mount,) = resolved(told["TaskRole"]["Properties"], {"Beside": False})["Policies"][0]["PolicyDocument"]["Statement"]
    assert mount["Action"] == ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    assert "COPY fairlead.toml /project/" in files["Dockerfile"]
    assert 'VOLUME ["/var/lib/fairlead"]' in files["Dockerfile"]
    assert "fairlead[studio,clouds]==0.1.0" in files["Dockerfile"]


def test_the_collector_of_a_task_takes_its_project_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real verb, with the very project and variables, to a folder in place of the bucket."""
    own = exported(tmp_path, CloudFormation, serve="ecs")
    CloudFormation().write(own, tmp_path / "out")
    for name, value in environment(own, "lake").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("FAIRLEAD_STORES__RECORDS", f"file://{tmp_path}/lake")
    done = fairlead(tmp_path / "out" / "collector", "collect", "--json")
    assert done.code == 0, done.err
    assert done.json["stored"]["sent"] == 0
    assert not (tmp_path / "home" / "state.db").exists(), "it needs no state"


def test_a_version_that_has_no_number_is_not_called_none(tmp_path: Path) -> None:
    own = exported(tmp_path, CloudFormation, serve="ecs")
    nameless = msgspec.structs.replace(own, sealed=msgspec.structs.replace(own.the(), version=None))
    CloudFormation().write(nameless, tmp_path / "out")
    said = yaml.safe_load((tmp_path / "out" / "template.yaml").read_text())["Description"]
    assert said == f"Churn.2, bundle {own.bundle[:12]}, served"
