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
