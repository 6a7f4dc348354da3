"""Going on from a model that is sealed already, and whether that is better than training anew."""
