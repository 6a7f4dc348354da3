terraform {
  required_version = ">= 1.6"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.14"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = {
    model  = "@NAME@"
    bundle = "@BUNDLE@"
  }
}

variable "project" {
  type = string
}

variable "region" {
  type = string
}

variable "callers" {
  description = "Who may ask, as serviceAccount:shop@project.iam.gserviceaccount.com."
  type        = set(string)
  default     = []
}

variable "alarms" {
  description = "Notification channels of Cloud Monitoring."
  type        = list(string)
  default     = []
}

data "google_project" "here" {}

data "google_storage_project_service_account" "storage" {}

resource "google_kms_key_ring" "data" {
  name     = "fairlead-@NAME@"
  location = var.region
}

resource "google_kms_crypto_key" "data" {
  name            = "data"
  key_ring        = google_kms_key_ring.data.id
  rotation_period = "7776000s"

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "storage" {
  crypto_key_id = google_kms_crypto_key.data.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${data.google_storage_project_service_account.storage.email_address}"
}

resource "google_kms_crypto_key_iam_member" "images" {
  crypto_key_id = google_kms_crypto_key.data.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:service-${data.google_project.here.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
}

resource "google_storage_bucket" "data" {
  name                        = "fairlead-@NAME@-${data.google_project.here.number}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  encryption {
    default_kms_key_name = google_kms_crypto_key.data.id
  }

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 3024000
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = 90
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_kms_crypto_key_iam_member.storage]
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "fairlead-@NAME@"
  location      = var.region
  format        = "DOCKER"
  kms_key_name  = google_kms_crypto_key.data.id

  docker_config {
    immutable_tags = true
  }

  depends_on = [google_kms_crypto_key_iam_member.images]
}

resource "google_service_account" "serve" {
  account_id   = "@ACCOUNT@"
  display_name = "what serves @NAME@"
}

resource "google_storage_bucket_iam_member" "read" {
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.serve.member

  condition {
    title      = "bundles"
    expression = "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.data.name}/objects/bundles/\")"
  }
}

resource "google_storage_bucket_iam_member" "record" {
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectCreator"
  member = google_service_account.serve.member

  condition {
    title      = "records"
    expression = "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.data.name}/objects/records/\")"
  }
}

resource "google_cloud_run_v2_service" "serve" {
  name                = "fairlead-@NAME@"
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  deletion_protection = true

  template {
    service_account                  = google_service_account.serve.email
    max_instance_request_concurrency = 80
    timeout                          = "30s"

    scaling {
      min_instance_count = var.least
      max_instance_count = var.most
    }

    containers {
      image = var.image

      ports {
        container_port = 8080
      }

      resources {
        limits = {
          cpu    = "1"
          memory = "2Gi"
        }
        cpu_idle = false
      }

      startup_probe {
        period_seconds    = 2
        failure_threshold = 30

        http_get {
          path = "/v2/health/ready"
        }
      }

      liveness_probe {
        http_get {
          path = "/v2/health/live"
        }
      }

      volume_mounts {
        name       = "home"
        mount_path = "/var/lib/fairlead"
      }
    }

    # Spools lie in memory and go with the instance: collect them, or capture elsewhere.
    volumes {
      name = "home"

      empty_dir {
        medium     = "MEMORY"
        size_limit = "512Mi"
      }
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "callers" {
  for_each = var.callers
  name     = google_cloud_run_v2_service.serve.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value
}

resource "google_monitoring_alert_policy" "failing" {
  display_name          = "fairlead-@NAME@: answers with 5xx"
  combiner              = "OR"
  notification_channels = var.alarms

  conditions {
    display_name = "more than ten in a minute"

    condition_threshold {
      filter          = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"fairlead-@NAME@\" AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
      comparison      = "COMPARISON_GT"
      threshold_value = 10
      duration        = "180s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
}

resource "google_monitoring_alert_policy" "slow" {
  display_name          = "fairlead-@NAME@: one answer in a hundred takes over half a second"
  combiner              = "OR"
  notification_channels = var.alarms

  conditions {
    display_name = "99th percentile"

    condition_threshold {
      filter          = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"fairlead-@NAME@\" AND metric.type = \"run.googleapis.com/request_latencies\""
      comparison      = "COMPARISON_GT"
      threshold_value = 500
      duration        = "180s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_PERCENTILE_99"
        cross_series_reducer = "REDUCE_MAX"
      }
    }
  }
}

output "address" {
  value = google_cloud_run_v2_service.serve.uri
}
