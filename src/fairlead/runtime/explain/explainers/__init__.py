"""Ways to share a margin among columns, one a module, found behind the port `explainer`; the first that accepts is
taken."""
