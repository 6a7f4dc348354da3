"""Resources of the CloudFormation template, as the mappings that it is written from.

Every role may do what is listed and no more; `*` stands as a resource only where AWS knows no narrower one.
"""

from __future__ import annotations

from typing import Any

from fairlead.reach.export.exported import Exported
from fairlead.reach.export.fargate import RIGHTS

Resources = dict[str, Any]
PORT = 8080
HOME = "/var/lib/fairlead"
USER = "65532"


def ref(name: str) -> dict[str, str]:
    """What another resource or parameter is known by."""
    return {"Ref": name}


def get(name: str, attribute: str) -> dict[str, list[str]]:
    """An attribute of another resource."""
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str) -> dict[str, str]:
    """Text with `${names}`."""
    return {"Fn::Sub": text}


def resource(kind: str, *, depends: str | list[str] = "", keep: bool = False, **properties: Any) -> dict[str, Any]:
    """One resource. keep: it stays when the stack is deleted, as data does."""
    found: dict[str, Any] = {"Type": f"AWS::{kind}", "Properties": properties}
    if depends:
        found["DependsOn"] = depends
    if keep:
        found |= {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    return found


def role(service: str, *statements: dict[str, Any], managed: str = "") -> dict[str, Any]:
    """A role that one service takes on in this account."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}},
            }
        ],
    }
    more: dict[str, Any] = {"ManagedPolicyArns": [sub(managed)]} if managed else {}
    if statements:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        more["Policies"] = [{"PolicyName": "fairlead", "PolicyDocument": document}]
    return resource("IAM::Role", AssumeRolePolicyDocument=trust, **more)


def allow(actions: list[str], *resources: Any) -> dict[str, Any]:
    """One statement of a policy."""
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


def given(condition: str, then: Any, otherwise: Any = None) -> dict[str, Any]:
    """One of two, by a condition of the template; without the second, nothing."""
    return {"Fn::If": [condition, then, ref("AWS::NoValue") if otherwise is None else otherwise]}


PULL = (
    allow(["ecr:GetAuthorizationToken"], "*"),
    allow(
        ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        get("Repository", "Arn"),
    ),
)
RECORD = (
    allow(["s3:ListBucket"], get("Bucket", "Arn")),
    allow([*RIGHTS], sub("${Bucket.Arn}/records/*")),
    allow(["kms:Decrypt", "kms:GenerateDataKey"], get("Key", "Arn")),
)
"""What sends records to the bucket."""


def kept(exported: Exported) -> Resources:
    """Where data and images lie: a key, a bucket, a repository, and the plan that backs the bucket up."""
    owner = {
        "Effect": "Allow", "Principal": {"AWS": sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
        "Action": "kms:*", "Resource": "*",
    }  # fmt: skip
    logs = {
        "Effect": "Allow", "Principal": {"Service": sub("logs.${AWS::Region}.amazonaws.com")},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"], "Resource": "*",
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": sub(
            f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:/fairlead/{exported.name}")}},
    }  # fmt: skip
    alarms = {
        "Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}},
    }  # fmt: skip
    sealed = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": get("Key", "Arn")}
    plain = {
        "Sid": "OnlyByTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [get("Bucket", "Arn"), sub("${Bucket.Arn}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    closed = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
    backup = "arn:${AWS::Partition}:iam::aws:policy/AWSBackupServiceRolePolicyForS3Backup"
    return {
        "Key": resource(
            "KMS::Key", keep=True, Description=f"Data of {exported.name}", EnableKeyRotation=True,
            KeyPolicy={"Version": "2012-10-17", "Statement": [owner, logs, alarms]},
        ),
        "Bucket": resource(
            "S3::Bucket", keep=True,
            BucketEncryption={"ServerSideEncryptionConfiguration": [
                {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": sealed}]},
            LifecycleConfiguration={"Rules": [
                {"Id": "old-versions", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 90}},
                {"Id": "uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
            ]},
            OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            PublicAccessBlockConfiguration=closed,
            VersioningConfiguration={"Status": "Enabled"},
        ),
        "BucketPolicy": resource(
            "S3::BucketPolicy", Bucket=ref("Bucket"),
            PolicyDocument={"Version": "2012-10-17", "Statement": [plain]},
        ),
        "Repository": resource(
            "ECR::Repository", keep=True, RepositoryName=f"fairlead/{exported.name}", ImageTagMutability="IMMUTABLE",
            ImageScanningConfiguration={"ScanOnPush": True},
            EncryptionConfiguration={"EncryptionType": "KMS", "KmsKey": get("Key", "Arn")},
        ),
        "Vault": resource(
            "Backup::BackupVault", keep=True, BackupVaultName=f"fairlead-{exported.name}",
            EncryptionKeyArn=get("Key", "Arn"),
        ),
        "Backups": resource("Backup::BackupPlan", BackupPlan={
            "BackupPlanName": f"fairlead-{exported.name}",
            "BackupPlanRule": [{
                "RuleName": "daily", "TargetBackupVault": ref("Vault"), "ScheduleExpression": "cron(0 3 * * ? *)",
                "StartWindowMinutes": 60, "CompletionWindowMinutes": 360, "Lifecycle": {"DeleteAfterDays": 35}}],
        }),
        "BackupRole": role("backup.amazonaws.com", managed=backup),
        "BackedUp": resource("Backup::BackupSelection", BackupPlanId=ref("Backups"), BackupSelection={
            "SelectionName": "data", "IamRoleArn": get("BackupRole", "Arn"), "Resources": [get("Bucket", "Arn")]}),
    }  # fmt: skip


def logged(exported: Exported) -> Resources:
    """Where the servers' words go."""
    return {
        "Logs": resource(
            "Logs::LogGroup", keep=True, LogGroupName=f"/fairlead/{exported.name}", RetentionInDays=90,
            KmsKeyId=get("Key", "Arn"),
        )
    }  # fmt: skip


def alarm(
    text: str, space: str, metric: str, over: float, dimensions: dict[str, Any], statistic: str = "Sum"
) -> dict[str, Any]:
    """Three minutes of five over a limit; silence is no alarm, as nobody asking is none."""
    how: dict[str, Any] = {"ExtendedStatistic": statistic} if statistic.startswith("p") else {"Statistic": statistic}
    return resource(
        "CloudWatch::Alarm", AlarmDescription=text, Namespace=space, MetricName=metric, **how, Threshold=over,
        ComparisonOperator="GreaterThanThreshold", Period=60, EvaluationPeriods=5, DatapointsToAlarm=3,
        TreatMissingData="notBreaching", AlarmActions=[ref("Topic")],
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
    )  # fmt: skip


def told() -> Resources:
    """Where alarms go: a topic that people subscribe to. Its key is ours, as CloudWatch may not use that of SNS."""
    return {"Topic": resource("SNS::Topic", KmsMasterKeyId=ref("Key"))}


def scaled(dimension: str, space: str, target: Any, metric: str, value: float) -> Resources:
    """As many as the load asks for, between the parameters."""
    return {
        "Scalable": resource(
            "ApplicationAutoScaling::ScalableTarget", MinCapacity=ref("Least"),
            MaxCapacity=ref("Most"), ResourceId=target, ScalableDimension=dimension, ServiceNamespace=space,
        ),
        "Scaling": resource(
            "ApplicationAutoScaling::ScalingPolicy", PolicyName="load", PolicyType="TargetTrackingScaling",
            ScalingTargetId=ref("Scalable"),
            TargetTrackingScalingPolicyConfiguration={
                "PredefinedMetricSpecification": {"PredefinedMetricType": metric}, "TargetValue": value,
                "ScaleInCooldown": 300, "ScaleOutCooldown": 30},
        ),
    }  # fmt: skip
