"""What runs a version on Kubernetes: the parts of a base, its overlays, and what they are held to."""
