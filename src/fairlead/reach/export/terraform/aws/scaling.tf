# Servers by load, and who is told when they fail; by which figures is named where they serve.
resource "aws_appautoscaling_target" "serve" {
  min_capacity       = var.least
  max_capacity       = var.most
  resource_id        = local.scaled.resource
  scalable_dimension = local.scaled.dimension
  service_namespace  = local.scaled.namespace
}

resource "aws_appautoscaling_policy" "serve" {
  name               = "load"
  policy_type        = "TargetTrackingScaling"
  resource_id        = aws_appautoscaling_target.serve.resource_id
  scalable_dimension = aws_appautoscaling_target.serve.scalable_dimension
  service_namespace  = aws_appautoscaling_target.serve.service_namespace

  target_tracking_scaling_policy_configuration {
    target_value       = local.scaled.target
    scale_in_cooldown  = 300
    scale_out_cooldown = 30

    predefined_metric_specification {
      predefined_metric_type = local.scaled.metric
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "serve" {
  for_each            = local.alarms
  alarm_name          = "fairlead-@NAME@-${each.key}"
  namespace           = local.watched.namespace
  metric_name         = each.value.metric
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  threshold           = each.value.over
  comparison_operator = "GreaterThanThreshold"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  dimensions          = local.watched.dimensions
}
