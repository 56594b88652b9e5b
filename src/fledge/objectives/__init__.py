"""Training stages: each supplies rows and a loss to the one loop."""
