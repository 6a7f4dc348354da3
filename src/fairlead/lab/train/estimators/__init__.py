"""Estimators that learners build where scikit-learn's own would not do; they fit and answer as sklearn's do.

`lab.compile` knows them by name, so a bundle never holds them.
"""
