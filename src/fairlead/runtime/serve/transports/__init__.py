"""Variants of the port `transport`, found through the plugin door."""
