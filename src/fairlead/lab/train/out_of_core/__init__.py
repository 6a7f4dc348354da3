"""Tables larger than memory: a sample chooses, every row teaches where the learner can, and every held row judges."""
