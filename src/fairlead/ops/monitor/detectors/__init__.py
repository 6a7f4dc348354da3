"""Variants of the port `drift_detector`: one way to tell from a stream of losses that they rose."""
