"""How a model comes to its answers: overall, by single columns, as a few rules, and what would change an answer."""
