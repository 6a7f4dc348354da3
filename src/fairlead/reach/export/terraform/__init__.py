"""Target `terraform`: one configuration a cloud."""
