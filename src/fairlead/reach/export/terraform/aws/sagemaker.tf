variable "instance" {
  description = "Kind of machine."
  type        = string
  default     = "ml.c5.large"
}

locals {
  service = "sagemaker.amazonaws.com"

  logs = {
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    group   = "arn:${data.aws_partition.here.partition}:logs:${var.region}:${data.aws_caller_identity.here.account_id}:log-group:/aws/sagemaker/Endpoints/*"
  }

  scaled = {
    resource  = "endpoint/${aws_sagemaker_endpoint.serve.name}/variant/all"
    dimension = "sagemaker:variant:DesiredInstanceCount"
    namespace = "sagemaker"
    metric    = "SageMakerVariantInvocationsPerInstance"
    target    = 6000
  }

  watched = {
    namespace = "AWS/SageMaker"
    dimensions = {
      EndpointName = aws_sagemaker_endpoint.serve.name
      VariantName  = "all"
    }
  }

  # SageMaker counts microseconds.
  alarms = {
    failing = { metric = "Invocation5XXErrors", statistic = "Sum", over = 10 }
    slow    = { metric = "ModelLatency", statistic = "p99", over = 500000 }
  }
}

data "aws_iam_policy_document" "metrics" {
  statement {
    sid       = "Metrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["AWS/SageMaker"]
    }
  }
}

resource "aws_iam_role" "serve" {
  name_prefix        = "fairlead-serve-"
  assume_role_policy = data.aws_iam_policy_document.taken_on.json
}

resource "aws_iam_role_policy" "serve" {
  for_each = {
    start   = data.aws_iam_policy_document.start.json
    metrics = data.aws_iam_policy_document.metrics.json
  }
  name   = each.key
  role   = aws_iam_role.serve.id
  policy = each.value
}

# Without a network: the model is in the image.
resource "aws_sagemaker_model" "serve" {
  name                     = "fairlead-@NAME@-@BUNDLE@"
  execution_role_arn       = aws_iam_role.serve.arn
  enable_network_isolation = true

  primary_container {
    image = var.image
  }

  depends_on = [aws_iam_role_policy.serve]
}

resource "aws_sagemaker_endpoint_configuration" "serve" {
  name_prefix = "@BUCKET@-"
  kms_key_arn = aws_kms_key.data.arn

  production_variants {
    variant_name           = "all"
    model_name             = aws_sagemaker_model.serve.name
    instance_type          = var.instance
    initial_instance_count = var.least
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_sagemaker_endpoint" "serve" {
  name                 = "fairlead-@NAME@"
  endpoint_config_name = aws_sagemaker_endpoint_configuration.serve.name
}

output "endpoint" {
  value = aws_sagemaker_endpoint.serve.name
}
