"""Target `cloudformation`: one template for AWS that serves a version on Fargate behind a balancer, or on SageMaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from fairlead.reach.export.alone import Needed, secrets_of, without_secrets
from fairlead.reach.export.cloudformation_parts import (
    HOME,
    PORT,
    PULL,
    RECORD,
    USER,
    Resources,
    alarm,
    allow,
    get,
    given,
    kept,
    logged,
    ref,
    resource,
    role,
    scaled,
    sub,
    told,
)
from fairlead.reach.export.exported import Exported, Option
from fairlead.reach.export.fargate import COMMAND, collector_files, environment, secrets_of_collector
from fairlead.reach.export.kubernetes.documents import write_files, written

BALANCER = "AWS/ApplicationELB"
READY = "/v2/health/ready"
SERVING, BESIDE = "Serving", "Beside"
"""Conditions: whether it serves, and whether a collector is beside each server."""
STAYING = {"Topic", "Logs", "Files"}
"""Of what serves: stays, whether it serves or not, as it has data or a name that is taken once."""
FILES = sub("arn:${AWS::Partition}:elasticfilesystem:${AWS::Region}:${AWS::AccountId}:file-system/${Files}")


class CloudFormation:
    """One AWS template, on Fargate or SageMaker: what serves, storage, roles, network, scaling, alarms, backups."""

    name = "cloudformation"
    options: ClassVar[Mapping[str, Option]] = {
        "serve": Option("ecs", "what runs the image", ("ecs", "sagemaker")),
        "instance": Option("ml.c5.large", "sagemaker: kind of machine"),
    }

    def write(self, exported: Exported, to: Path) -> tuple[Path, ...]:
        """template.yaml, whose parameters are what differs between accounts; what the collector's image is built of.

        Raises UsageError where SageMaker would lack a secret that servers cannot do without.
        """
        sagemaker = exported.options["serve"] == "sagemaker"
        if sagemaker:
            without_secrets(exported, "SageMaker")
        resources = kept(exported) | told() | (_sagemaker(exported) if sagemaker else _ecs(exported))
        for name in resources.keys() - kept(exported).keys() - STAYING:
            resources[name]["Condition"] = SERVING
        template = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": f"{exported.model}, {_said(exported)}, served",
            "Parameters": _parameters(exported, sagemaker),
            "Conditions": _conditions(sagemaker),
            "Resources": resources,
            "Outputs": _outputs(sagemaker),
        }
        text = written([template], head="Written by `fairlead export cloudformation`.")
        return write_files(to, {"template.yaml": text, **({} if sagemaker else collector_files(exported))})

    def notes(self, exported: Exported) -> tuple[str, ...]:
        """What comes before and after."""
        return (
            f"Push the image of `fairlead export docker` and give its address as parameter Image ({exported.image}).",
            "First Serve=no, which makes the repository to push to; then Serve=yes.",
            "Key, bucket, repository and vault stay when the stack is deleted: they hold data.",
            *(
                (
                    "Its secret needs the entries " + ", ".join(one.entry for one in secrets_of(exported)) + ".",
                    "Without parameter Collector (the image that collector/Dockerfile makes) records wait on the file "
                    "system, where nobody collects them.",
                )
                if exported.options["serve"] == "ecs"
                else without_secrets(exported, "SageMaker")
            ),
        )


def _said(exported: Exported) -> str:
    bundle = f"bundle {exported.bundle[:12]}"
    return bundle if exported.version is None else f"version {exported.version} ({bundle})"


def _parameters(exported: Exported, sagemaker: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Image": {"Type": "String", "Default": exported.image, "Description": "the image, with its registry"},
        "Least": {"Type": "Number", "Default": 2, "MinValue": 1},
        "Most": {"Type": "Number", "Default": 10, "MinValue": 1},
        "Serve": {"Type": "String", "Default": "yes", "AllowedValues": ["yes", "no"],
                  "Description": "no, until the image lies in the repository that this makes"},
    }  # fmt: skip
    if sagemaker:
        return found
    return {
        **found,
        "Vpc": {"Type": "AWS::EC2::VPC::Id"},
        "SubnetA": {"Type": "AWS::EC2::Subnet::Id", "Description": "private, in one zone, with a way to ECR and S3"},
        "SubnetB": {"Type": "AWS::EC2::Subnet::Id", "Description": "private, in another zone"},
        "Clients": {"Type": "String", "Default": "10.0.0.0/8", "Description": "the network that may ask"},
        "Certificate": {"Type": "String", "AllowedPattern": "arn:.+:acm:.+", "Description": "of the balancer, in ACM"},
        "Collector": {"Type": "String", "Default": "", "Description": "the collector's image; empty for no collector"},
        "Keys": _keys(exported),
    }


def _keys(exported: Exported) -> dict[str, Any]:
    """The parameter with the secret; it has to be given where nothing would start or answer without."""
    entries = ", ".join(one.entry for one in secrets_of(exported))
    found = {"Type": "String", "Description": f"ARN of a secret in Secrets Manager, as JSON with {entries}"}
    if exported.encrypted or exported.settings.access.required:
        return {**found, "AllowedPattern": "arn:.+:secretsmanager:.+"}
    return {**found, "Default": "", "AllowedPattern": "(arn:.+:secretsmanager:.+)?"}


def _conditions(sagemaker: bool) -> dict[str, Any]:
    found: dict[str, Any] = {SERVING: {"Fn::Equals": [ref("Serve"), "yes"]}}
    if sagemaker:
        return found
    told = {
        name: {"Fn::Not": [{"Fn::Equals": [ref(of), ""]}]} for name, of in (("Keyed", "Keys"), (BESIDE, "Collector"))
    }
    return {**found, **told}


def _outputs(sagemaker: bool) -> dict[str, Any]:
    serves = {"Endpoint": {"Value": get("Endpoint", "EndpointName")}} if sagemaker else {
        "Address": {"Value": sub("https://${Balancer.DNSName}")}}  # fmt: skip
    return {
        **{name: {**one, "Condition": SERVING} for name, one in serves.items()},
        "BucketName": {"Value": ref("Bucket")},
        "RepositoryUri": {"Value": get("Repository", "RepositoryUri")},
    }


def _ecs(exported: Exported) -> Resources:
    return {
        **logged(exported),
        **_rules(),
        **_files(),
        **_tasks(exported),
        **_balancer(),
        **scaled(
            "ecs:service:DesiredCount", "ecs", sub("service/${Cluster}/${Service.Name}"),
            "ECSServiceAverageCPUUtilization", 60.0,
        ),
        **_alarms(),
    }  # fmt: skip


def _rules() -> Resources:
    def group(text: str, ingress: list[dict[str, Any]]) -> dict[str, Any]:
        return resource("EC2::SecurityGroup", GroupDescription=text, VpcId=ref("Vpc"), SecurityGroupIngress=ingress)

    def to(port: int, **source: Any) -> dict[str, Any]:
        return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}

    return {
        "Door": group("who may ask", [to(443, CidrIp=ref("Clients"))]),
        "Servers": group("only the balancer", [to(PORT, SourceSecurityGroupId=ref("Door"))]),
        "Shared": group("only the servers", [to(2049, SourceSecurityGroupId=ref("Servers"))]),
    }


def _files() -> Resources:
    """What tasks write outlives them: spools lie on a file system, one folder an instance."""
    mounts = {
        f"Mount{zone}": resource(
            "EFS::MountTarget", FileSystemId=ref("Files"), SubnetId=ref(f"Subnet{zone}"), SecurityGroups=[ref("Shared")]
        )
        for zone in "AB"
    }
    point = {"Path": "/fairlead", "CreationInfo": {"OwnerUid": USER, "OwnerGid": USER, "Permissions": "0700"}}
    return {
        "Files": resource(
            "EFS::FileSystem", keep=True, Encrypted=True, KmsKeyId=get("Key", "Arn"),
            BackupPolicy={"Status": "ENABLED"},
        ),
        **mounts,
        "Point": resource(
            "EFS::AccessPoint", FileSystemId=ref("Files"), PosixUser={"Uid": USER, "Gid": USER}, RootDirectory=point
        ),
    }  # fmt: skip


def _container(name: str, image: str, secrets: Sequence[Needed], **more: Any) -> dict[str, Any]:
    """What both containers of a task are held to."""
    named = [{"Name": one.variable, "ValueFrom": sub(f"${{Keys}}:{one.entry}::")} for one in secrets]
    return {
        "Name": name, "Image": ref(image), "User": USER, "ReadonlyRootFilesystem": True,
        "MountPoints": [{"SourceVolume": "home", "ContainerPath": HOME, "ReadOnly": False}],
        "LinuxParameters": {"Capabilities": {"Drop": ["ALL"]}, "InitProcessEnabled": True},
        "StopTimeout": 60,
        **({"Secrets": given("Keyed", named)} if named else {}),
        "LogConfiguration": {"LogDriver": "awslogs", "Options": {
            "awslogs-group": ref("Logs"), "awslogs-region": ref("AWS::Region"), "awslogs-stream-prefix": name}},
        **more,
    }  # fmt: skip


def _containers(exported: Exported) -> dict[str, Any]:
    """The server, and the collector where its image is given; it starts before the server and so ends after it."""
    server = _container(
        "fairlead", "Image", secrets_of(exported), Essential=True,
        PortMappings=[{"ContainerPort": PORT, "Protocol": "tcp"}],
    )  # fmt: skip
    told = environment(exported, "${Bucket}")
    collector = _container(
        "collector", "Collector", secrets_of_collector(exported), Essential=False, Command=[*COMMAND], Memory=768,
        RestartPolicy={"Enabled": True},
        Environment=[{"Name": name, "Value": sub(v) if "${Bucket}" in v else v} for name, v in told.items()],
    )  # fmt: skip
    after = {**server, "DependsOn": [{"ContainerName": "collector", "Condition": "START"}]}
    return given(BESIDE, [after, collector], [server])


def _tasks(exported: Exported) -> Resources:
    mount = allow(["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"], FILES)
    shared = {"Name": "home", "EFSVolumeConfiguration": {
        "FilesystemId": ref("Files"), "TransitEncryption": "ENABLED",
        "AuthorizationConfig": {"AccessPointId": ref("Point"), "IAM": "ENABLED"}}}  # fmt: skip
    home = given(BESIDE, {"Name": "home"}, shared)
    logs = allow(["logs:CreateLogStream", "logs:PutLogEvents"], get("Logs", "Arn"))
    keys = given("Keyed", allow(["secretsmanager:GetSecretValue"], ref("Keys")))
    network = {"AwsvpcConfiguration": {
        "AssignPublicIp": "DISABLED", "SecurityGroups": [ref("Servers")],
        "Subnets": [ref("SubnetA"), ref("SubnetB")]}}  # fmt: skip
    return {
        "StartRole": role("ecs-tasks.amazonaws.com", *PULL, logs, keys),
        "TaskRole": role(
            "ecs-tasks.amazonaws.com",
            *(given(BESIDE, one) for one in RECORD),
            given(BESIDE, ref("AWS::NoValue"), mount),
        ),
        "Cluster": resource("ECS::Cluster", ClusterSettings=[{"Name": "containerInsights", "Value": "enabled"}]),
        "Task": resource(
            "ECS::TaskDefinition", Family=f"fairlead-{exported.name}", RequiresCompatibilities=["FARGATE"],
            NetworkMode="awsvpc", Cpu="1024", Memory="2048", ExecutionRoleArn=get("StartRole", "Arn"),
            TaskRoleArn=get("TaskRole", "Arn"), ContainerDefinitions=_containers(exported), Volumes=[home],
        ),
        "Service": resource(
            # How many there are is the scaling's: a number here would undo it at every update.
            "ECS::Service", depends=["Listener", "MountA", "MountB"], Cluster=ref("Cluster"),
            TaskDefinition=ref("Task"), LaunchType="FARGATE", HealthCheckGracePeriodSeconds=60,
            NetworkConfiguration=network,
            DeploymentConfiguration={"MinimumHealthyPercent": 100, "MaximumPercent": 200,
                                     "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}},
            LoadBalancers=[{"ContainerName": "fairlead", "ContainerPort": PORT, "TargetGroupArn": ref("Targets")}],
        ),
    }  # fmt: skip


def _balancer() -> Resources:
    return {
        "Balancer": resource(
            "ElasticLoadBalancingV2::LoadBalancer", Type="application", Scheme="internal",
            SecurityGroups=[ref("Door")], Subnets=[ref("SubnetA"), ref("SubnetB")],
            LoadBalancerAttributes=[{"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"}],
        ),
        "Targets": resource(
            "ElasticLoadBalancingV2::TargetGroup", Port=PORT, Protocol="HTTP", TargetType="ip", VpcId=ref("Vpc"),
            HealthCheckPath=READY, HealthCheckIntervalSeconds=10, HealthyThresholdCount=2, UnhealthyThresholdCount=2,
            Matcher={"HttpCode": "200"},
            TargetGroupAttributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}],
        ),
        "Listener": resource(
            "ElasticLoadBalancingV2::Listener", LoadBalancerArn=ref("Balancer"), Port=443, Protocol="HTTPS",
            SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06", Certificates=[{"CertificateArn": ref("Certificate")}],
            DefaultActions=[{"Type": "forward", "TargetGroupArn": ref("Targets")}],
        ),
    }  # fmt: skip


def _alarms() -> Resources:
    whole = {"LoadBalancer": get("Balancer", "LoadBalancerFullName")}
    group = {**whole, "TargetGroup": get("Targets", "TargetGroupFullName")}
    return {
        "Failing": alarm("answers with 5xx", BALANCER, "HTTPCode_Target_5XX_Count", 10, group),
        "Slow": alarm(
            "one answer in a hundred takes over half a second", BALANCER, "TargetResponseTime", 0.5, group, "p99"
        ),
        "Unwell": alarm("servers that are not ready", BALANCER, "UnHealthyHostCount", 0, group, "Maximum"),
    }


def _sagemaker(exported: Exported) -> Resources:
    variant = {"EndpointName": get("Endpoint", "EndpointName"), "VariantName": "all"}
    words = sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/sagemaker/Endpoints/*")
    logs = allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], words)
    metrics = allow(["cloudwatch:PutMetricData"], "*")
    metrics["Condition"] = {"StringEquals": {"cloudwatch:namespace": "AWS/SageMaker"}}
    production = {
        "VariantName": "all", "ModelName": get("Model", "ModelName"), "InstanceType": exported.options["instance"],
        "InitialInstanceCount": ref("Least"), "InitialVariantWeight": 1.0,
    }  # fmt: skip
    return {
        # Its network is closed and its model in the image: it reads no bucket.
        "ServeRole": role("sagemaker.amazonaws.com", *PULL, logs, metrics),
        "Model": resource(
            "SageMaker::Model", ExecutionRoleArn=get("ServeRole", "Arn"), PrimaryContainer={"Image": ref("Image")},
            EnableNetworkIsolation=True,
        ),
        "EndpointConfig": resource(
            "SageMaker::EndpointConfig", ProductionVariants=[production], KmsKeyId=get("Key", "Arn")
        ),
        "Endpoint": resource("SageMaker::Endpoint", EndpointConfigName=get("EndpointConfig", "EndpointConfigName")),
        **scaled(
            "sagemaker:variant:DesiredInstanceCount", "sagemaker", sub("endpoint/${Endpoint.EndpointName}/variant/all"),
            "SageMakerVariantInvocationsPerInstance", 6000.0,
        ),
        "Failing": alarm("answers with 5xx", "AWS/SageMaker", "Invocation5XXErrors", 10, variant),
        "Slow": alarm("one answer in a hundred takes over half a second", "AWS/SageMaker", "ModelLatency", 500_000.0,
                      variant, "p99"),
    }  # fmt: skip
