variable "vpc" {
  description = "The network that it runs in."
  type        = string
}

variable "subnets" {
  description = "Private subnets in two zones, with a way to ECR and S3."
  type        = list(string)
}

variable "clients" {
  description = "The network that may ask."
  type        = string
  default     = "10.0.0.0/8"
}

variable "certificate" {
  description = "The balancer's certificate in ACM."
  type        = string
}

variable "collector" {
  description = "The collector's image; empty for no collector."
  type        = string
  default     = ""
}

variable "keys" {
  description = "ARN of a secret in Secrets Manager, as JSON with @ENTRIES@."
  type        = string
@DEFAULT@}

locals {
  service = "ecs-tasks.amazonaws.com"

  # Only where there is a secret to take them from.
  secrets = { for name, entry in { @SECRETS@ } : name => entry if var.keys != "" }

  # What both containers of a task are held to.
  contained = {
    user                   = "65532"
    readonlyRootFilesystem = true
    stopTimeout            = 60
    mountPoints            = [{ sourceVolume = "home", containerPath = "/var/lib/fairlead", readOnly = false }]
    linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = true }
  }

  logging = {
    awslogs-group  = aws_cloudwatch_log_group.servers.name
    awslogs-region = var.region
  }

  server = merge(local.contained, {
    name             = "fairlead"
    image            = var.image
    essential        = true
    portMappings     = [{ containerPort = 8080, protocol = "tcp" }]
    secrets          = [for name, entry in local.secrets : { name = name, valueFrom = "${var.keys}:${entry}::" }]
    logConfiguration = { logDriver = "awslogs", options = merge(local.logging, { awslogs-stream-prefix = "serve" }) }

    # It starts after the collector, and so ends before it.
    dependsOn = [for name in ["collector"] : { containerName = name, condition = "START" } if var.collector != ""]
  })

  collector = merge(local.contained, {
    name             = "collector"
    image            = var.collector
    essential        = false
    memory           = 768
    command          = ["-C", "/project", "collect", "--follow", "--every", "2"]
    restartPolicy    = { enabled = true }
    environment      = [for name, value in { @SETTINGS@ } : { name = name, value = value }]
    secrets          = [for name, entry in local.secrets : { name = name, valueFrom = "${var.keys}:${entry}::" } if entry == "records-key"]
    logConfiguration = { logDriver = "awslogs", options = merge(local.logging, { awslogs-stream-prefix = "collect" }) }
  })

  logs = {
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    group   = "${aws_cloudwatch_log_group.servers.arn}:*"
  }

  scaled = {
    resource  = "service/${aws_ecs_cluster.here.name}/${aws_ecs_service.serve.name}"
    dimension = "ecs:service:DesiredCount"
    namespace = "ecs"
    metric    = "ECSServiceAverageCPUUtilization"
    target    = 60
  }

  watched = {
    namespace = "AWS/ApplicationELB"
    dimensions = {
      LoadBalancer = aws_lb.serve.arn_suffix
      TargetGroup  = aws_lb_target_group.serve.arn_suffix
    }
  }

  alarms = {
    failing = { metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", over = 10 }
    slow    = { metric = "TargetResponseTime", statistic = "p99", over = 0.5 }
    unwell  = { metric = "UnHealthyHostCount", statistic = "Maximum", over = 0 }
  }
}

data "aws_iam_policy_document" "data" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.data.arn]
  }

  statement {
    sid       = "Record"
    actions   = [@RIGHTS@]
    resources = ["${aws_s3_bucket.data.arn}/records/*"]
  }

  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.data.arn]
  }
}

data "aws_iam_policy_document" "files" {
  statement {
    sid       = "Mount"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.spools.arn]
  }
}

resource "aws_iam_role" "start" {
  name_prefix        = "fairlead-start-"
  assume_role_policy = data.aws_iam_policy_document.taken_on.json
}

resource "aws_iam_role_policy" "start" {
  role   = aws_iam_role.start.id
  policy = data.aws_iam_policy_document.start.json
}

data "aws_iam_policy_document" "keys" {
  statement {
    sid       = "Keys"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.keys]
  }
}

resource "aws_iam_role_policy" "keys" {
  count  = var.keys == "" ? 0 : 1
  name   = "keys"
  role   = aws_iam_role.start.id
  policy = data.aws_iam_policy_document.keys.json
}

resource "aws_iam_role" "task" {
  name_prefix        = "fairlead-task-"
  assume_role_policy = data.aws_iam_policy_document.taken_on.json
}

# What sends records to the bucket; servers ask it for nothing.
resource "aws_iam_role_policy" "data" {
  count  = var.collector == "" ? 0 : 1
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.data.json
}

resource "aws_iam_role_policy" "files" {
  count  = var.collector == "" ? 1 : 0
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.files.json
}

resource "aws_cloudwatch_log_group" "servers" {
  name              = "/fairlead/@NAME@"
  retention_in_days = 90
  kms_key_id        = aws_kms_key.data.arn
}

resource "aws_security_group" "door" {
  name_prefix = "fairlead-door-"
  description = "who may ask"
  vpc_id      = var.vpc
}

resource "aws_vpc_security_group_ingress_rule" "door" {
  security_group_id = aws_security_group.door.id
  cidr_ipv4         = var.clients
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "door" {
  security_group_id            = aws_security_group.door.id
  referenced_security_group_id = aws_security_group.servers.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_security_group" "servers" {
  name_prefix = "fairlead-servers-"
  description = "only the balancer"
  vpc_id      = var.vpc
}

resource "aws_vpc_security_group_ingress_rule" "servers" {
  security_group_id            = aws_security_group.servers.id
  referenced_security_group_id = aws_security_group.door.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

# To ECR, S3, logs and keys, whose addresses no rule can name.
resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.servers.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "files" {
  security_group_id            = aws_security_group.servers.id
  referenced_security_group_id = aws_security_group.shared.id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}

resource "aws_security_group" "shared" {
  name_prefix = "fairlead-files-"
  description = "only the servers"
  vpc_id      = var.vpc
}

resource "aws_vpc_security_group_ingress_rule" "shared" {
  security_group_id            = aws_security_group.shared.id
  referenced_security_group_id = aws_security_group.servers.id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}

# What servers write outlives them: one folder an instance.
resource "aws_efs_file_system" "spools" {
  encrypted  = true
  kms_key_id = aws_kms_key.data.arn

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_efs_backup_policy" "spools" {
  file_system_id = aws_efs_file_system.spools.id

  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_efs_mount_target" "spools" {
  for_each        = toset(var.subnets)
  file_system_id  = aws_efs_file_system.spools.id
  subnet_id       = each.value
  security_groups = [aws_security_group.shared.id]
}

resource "aws_efs_access_point" "spools" {
  file_system_id = aws_efs_file_system.spools.id

  posix_user {
    uid = 65532
    gid = 65532
  }

  root_directory {
    path = "/fairlead"

    creation_info {
      owner_uid   = 65532
      owner_gid   = 65532
      permissions = "0700"
    }
  }
}

resource "aws_ecs_cluster" "here" {
  name = "fairlead-@NAME@"

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "serve" {
  family                   = "fairlead-@NAME@"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.task.arn

  container_definitions = jsonencode([for one in [local.server, local.collector] : one if one.image != ""])

  # With a collector the disk of the task, from which records go to the bucket; without one they wait on the file system.
  volume {
    name = "home"

    dynamic "efs_volume_configuration" {
      for_each = var.collector == "" ? [aws_efs_access_point.spools] : []

      content {
        file_system_id     = aws_efs_file_system.spools.id
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = efs_volume_configuration.value.id
          iam             = "ENABLED"
        }
      }
    }
  }
}

resource "aws_ecs_service" "serve" {
  name                               = "fairlead-@NAME@"
  cluster                            = aws_ecs_cluster.here.id
  task_definition                    = aws_ecs_task_definition.serve.arn
  launch_type                        = "FARGATE"
  desired_count                      = var.least
  health_check_grace_period_seconds  = 60
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.subnets
    security_groups = [aws_security_group.servers.id]
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.serve.arn
    container_name   = "fairlead"
    container_port   = 8080
  }

  lifecycle {
    ignore_changes = [desired_count]
  }

  depends_on = [aws_lb_listener.serve, aws_efs_mount_target.spools]
}

resource "aws_lb" "serve" {
  name                       = "@BALANCER@"
  internal                   = true
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.door.id]
  subnets                    = var.subnets
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "serve" {
  name_prefix          = "fl-"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc
  deregistration_delay = 30

  health_check {
    path                = "/v2/health/ready"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
    matcher             = "200"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "serve" {
  load_balancer_arn = aws_lb.serve.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.serve.arn
  }
}

output "address" {
  value = "https://${aws_lb.serve.dns_name}"
}
