"""Data contracts: read, judged, begun from what a model has seen, and told to the door."""
