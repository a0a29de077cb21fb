"""Training of networks that draw: one loop with checkpoints, and what goes into it."""
