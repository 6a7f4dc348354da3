data "aws_iam_policy_document" "taken_on" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.here.account_id]
    }
  }
}

data "aws_iam_policy_document" "start" {
  statement {
    sid       = "Token"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "Pull"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.images.arn]
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${data.aws_partition.here.partition}:logs:${var.region}:${data.aws_caller_identity.here.account_id}:log-group:/aws/sagemaker/Endpoints/*"]
  }
}

data "aws_iam_policy_document" "data" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.data.arn]
  }

  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.data.arn}/bundles/*"]
  }

  statement {
    sid       = "Record"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.data.arn}/records/*"]
  }

  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
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
    data    = data.aws_iam_policy_document.data.json
    metrics = data.aws_iam_policy_document.metrics.json
  }
  name   = each.key
  role   = aws_iam_role.serve.id
  policy = each.value
}

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
  name_prefix = substr("fairlead-@NAME@-", 0, 37)
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

resource "aws_appautoscaling_target" "serve" {
  min_capacity       = var.least
  max_capacity       = var.most
  resource_id        = "endpoint/${aws_sagemaker_endpoint.serve.name}/variant/all"
  scalable_dimension = "sagemaker:variant:DesiredInstanceCount"
  service_namespace  = "sagemaker"
}

resource "aws_appautoscaling_policy" "serve" {
  name               = "load"
  policy_type        = "TargetTrackingScaling"
  resource_id        = aws_appautoscaling_target.serve.resource_id
  scalable_dimension = aws_appautoscaling_target.serve.scalable_dimension
  service_namespace  = aws_appautoscaling_target.serve.service_namespace

  target_tracking_scaling_policy_configuration {
    target_value       = 6000
    scale_in_cooldown  = 300
    scale_out_cooldown = 30

    predefined_metric_specification {
      predefined_metric_type = "SageMakerVariantInvocationsPerInstance"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "failing" {
  alarm_name          = "fairlead-@NAME@-failing"
  namespace           = "AWS/SageMaker"
  metric_name         = "Invocation5XXErrors"
  statistic           = "Sum"
  threshold           = 10
  comparison_operator = "GreaterThanThreshold"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]

  dimensions = {
    EndpointName = aws_sagemaker_endpoint.serve.name
    VariantName  = "all"
  }
}

output "endpoint" {
  value = aws_sagemaker_endpoint.serve.name
}
