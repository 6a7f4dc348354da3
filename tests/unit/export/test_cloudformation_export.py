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
from tests.unit.export.exporting_samples import exported

from fairlead.contract.settings import AccessSettings
from fairlead.reach.export.cloudformation import CloudFormation

SERVES = ("ecs", "sagemaker")


def template(folder: Path, serve: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (file,) = CloudFormation().write(exported(folder.parent, CloudFormation, serve=serve), folder)
    return file


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
            for asked in policy["PolicyDocument"]["Statement"]:
                statement = asked["Fn::If"][1] if "Fn::If" in asked else asked
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
        (file,) = CloudFormation().write(one, tmp_path / "out")
        told = yaml.safe_load(file.read_text())
        assert "Default" not in told["Parameters"]["Keys"]
        (container,) = told["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
        assert [secret["Name"] for secret in container["Secrets"]["Fn::If"][1]] == names
    assert told["Resources"]["Topic"]["Properties"]["KmsMasterKeyId"] == {"Ref": "Key"}, "SNS's own is not CloudWatch's"
