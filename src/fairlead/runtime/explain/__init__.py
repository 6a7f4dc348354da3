"""Explanations of compiled models: what each column of a row did to its answer."""
