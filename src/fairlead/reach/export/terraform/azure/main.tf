terraform {
  required_version = ">= 1.6"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.14"
    }
  }
}

provider "azurerm" {
  subscription_id     = var.subscription
  storage_use_azuread = true

  features {
    key_vault {
      purge_soft_delete_on_destroy = false
    }
  }
}

variable "subscription" {
  type = string
}

variable "location" {
  type = string
}

variable "account" {
  description = "Name of the storage account and the registry: 5 to 24 lower-case letters and digits, nobody else's."
  type        = string
}

variable "subnet" {
  description = "The subnet that it runs in, delegated to Microsoft.App/environments."
  type        = string
}

variable "clients" {
  description = "The network that may ask."
  type        = string
  default     = "10.0.0.0/8"
}

variable "alarms" {
  description = "Whom alarms go to, by mail."
  type        = set(string)
  default     = []
}

locals {
  tags = {
    model  = "@MODEL@"
    bundle = "@BUNDLE@"
  }
}

resource "azurerm_resource_group" "here" {
  name     = "fairlead-@NAME@"
  location = var.location
  tags     = local.tags
}

resource "azurerm_user_assigned_identity" "serve" {
  name                = "fairlead-@NAME@"
  resource_group_name = azurerm_resource_group.here.name
  location            = var.location
}

resource "azurerm_storage_account" "data" {
  name                              = var.account
  resource_group_name               = azurerm_resource_group.here.name
  location                          = var.location
  account_tier                      = "Standard"
  account_replication_type          = "ZRS"
  min_tls_version                   = "TLS1_2"
  https_traffic_only_enabled        = true
  shared_access_key_enabled         = false
  allow_nested_items_to_be_public   = false
  infrastructure_encryption_enabled = true

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = 35
    }

    container_delete_retention_policy {
      days = 35
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_storage_container" "data" {
  for_each           = toset(["bundles", "records"])
  name               = each.value
  storage_account_id = azurerm_storage_account.data.id
}

resource "azurerm_role_assignment" "data" {
  for_each             = { bundles = "Storage Blob Data Reader", records = "Storage Blob Data Contributor" }
  scope                = azurerm_storage_container.data[each.key].id
  role_definition_name = each.value
  principal_id         = azurerm_user_assigned_identity.serve.principal_id
}

resource "azurerm_data_protection_backup_vault" "data" {
  name                = "fairlead-@NAME@"
  resource_group_name = azurerm_resource_group.here.name
  location            = var.location
  datastore_type      = "VaultStore"
  redundancy          = "ZoneRedundant"

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_role_assignment" "backup" {
  scope                = azurerm_storage_account.data.id
  role_definition_name = "Storage Account Backup Contributor"
  principal_id         = azurerm_data_protection_backup_vault.data.identity[0].principal_id
}

resource "azurerm_data_protection_backup_policy_blob_storage" "data" {
  name                                   = "daily"
  vault_id                               = azurerm_data_protection_backup_vault.data.id
  operational_default_retention_duration = "P35D"
}

resource "azurerm_data_protection_backup_instance_blob_storage" "data" {
  name               = "data"
  vault_id           = azurerm_data_protection_backup_vault.data.id
  location           = var.location
  storage_account_id = azurerm_storage_account.data.id
  backup_policy_id   = azurerm_data_protection_backup_policy_blob_storage.data.id

  depends_on = [azurerm_role_assignment.backup]
}

resource "azurerm_container_registry" "images" {
  name                = var.account
  resource_group_name = azurerm_resource_group.here.name
  location            = var.location
  sku                 = "Premium"
  admin_enabled       = false
}

resource "azurerm_role_assignment" "pull" {
  scope                = azurerm_container_registry.images.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.serve.principal_id
}

resource "azurerm_log_analytics_workspace" "here" {
  name                = "fairlead-@NAME@"
  resource_group_name = azurerm_resource_group.here.name
  location            = var.location
  retention_in_days   = 90
}

resource "azurerm_container_app_environment" "here" {
  name                           = "fairlead-@NAME@"
  resource_group_name            = azurerm_resource_group.here.name
  location                       = var.location
  infrastructure_subnet_id       = var.subnet
  internal_load_balancer_enabled = true
  zone_redundancy_enabled        = true
  log_analytics_workspace_id     = azurerm_log_analytics_workspace.here.id
}

resource "azurerm_container_app" "serve" {
  name                         = "@APP@"
  resource_group_name          = azurerm_resource_group.here.name
  container_app_environment_id = azurerm_container_app_environment.here.id
  revision_mode                = "Single"

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.serve.id]
  }

  registry {
    server   = azurerm_container_registry.images.login_server
    identity = azurerm_user_assigned_identity.serve.id
  }

  ingress {
    external_enabled           = true
    target_port                = 8080
    allow_insecure_connections = false

    ip_security_restriction {
      name             = "clients"
      action           = "Allow"
      ip_address_range = var.clients
    }

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }
  }

  template {
    min_replicas = var.least
    max_replicas = var.most

    http_scale_rule {
      name                = "load"
      concurrent_requests = "50"
    }

    container {
      name   = "fairlead"
      image  = var.image
      cpu    = 1
      memory = "2Gi"

      readiness_probe {
        transport = "HTTP"
        port      = 8080
        path      = "/v2/health/ready"
      }

      liveness_probe {
        transport = "HTTP"
        port      = 8080
        path      = "/v2/health/live"
      }

      volume_mounts {
        name = "home"
        path = "/var/lib/fairlead"
      }
    }

    # Spools go with the replica: collect them, or capture elsewhere.
    volume {
      name         = "home"
      storage_type = "EmptyDir"
    }
  }

  depends_on = [azurerm_role_assignment.pull]
}

resource "azurerm_monitor_action_group" "alarms" {
  name                = "fairlead-@NAME@"
  resource_group_name = azurerm_resource_group.here.name
  short_name          = "fairlead"

  dynamic "email_receiver" {
    for_each = var.alarms

    content {
      name          = email_receiver.value
      email_address = email_receiver.value
    }
  }
}

resource "azurerm_monitor_metric_alert" "failing" {
  name                = "fairlead-@NAME@-failing"
  resource_group_name = azurerm_resource_group.here.name
  scopes              = [azurerm_container_app.serve.id]
  description         = "answers with 5xx"
  window_size         = "PT5M"

  criteria {
    metric_namespace = "Microsoft.App/containerApps"
    metric_name      = "Requests"
    aggregation      = "Total"
    operator         = "GreaterThan"
    threshold        = 10

    dimension {
      name     = "statusCodeCategory"
      operator = "Include"
      values   = ["5xx"]
    }
  }

  action {
    action_group_id = azurerm_monitor_action_group.alarms.id
  }
}

output "address" {
  value = "https://${azurerm_container_app.serve.ingress[0].fqdn}"
}
