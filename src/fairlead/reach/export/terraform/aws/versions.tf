terraform {
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.80"
    }
  }
}

variable "region" {
  type = string
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      model   = "@MODEL@"
      bundle  = "@BUNDLE@"
      version = "@VERSION@"
    }
  }
}

data "aws_caller_identity" "here" {}

data "aws_partition" "here" {}
