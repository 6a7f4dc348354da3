variable "region" {
  type = string
}

variable "image" {
  description = "The image of `fairlead export docker`, with its registry."
  type        = string
  default     = "@IMAGE@"

  validation {
    condition     = !endswith(var.image, ":latest")
    error_message = "Name a tag that stays what it is."
  }
}

variable "least" {
  description = "Servers that always run."
  type        = number
  default     = 2
}

variable "most" {
  type    = number
  default = 10
}

variable "vpc" {
  description = "ecs: the network that it runs in."
  type        = string
  default     = ""
}

variable "subnets" {
  description = "ecs: private subnets in two zones, with a way to ECR and S3."
  type        = list(string)
  default     = []
}

variable "clients" {
  description = "ecs: the network that may ask."
  type        = string
  default     = "10.0.0.0/8"
}

variable "certificate" {
  description = "ecs: the balancer's certificate in ACM."
  type        = string
  default     = ""
}

variable "instance" {
  description = "sagemaker: kind of machine."
  type        = string
  default     = "ml.c5.large"
}
