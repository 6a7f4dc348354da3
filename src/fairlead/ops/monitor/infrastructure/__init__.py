"""What a model runs on, minute by minute: hard limits, changes against earlier days, and what is to blame."""
