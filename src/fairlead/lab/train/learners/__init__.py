"""Families of models, one module each, found through the plugin door (`contract.plugins`, port `learner`)."""
