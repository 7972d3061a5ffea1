"""Training: one step, the loop around it, its checkpoints, and the evaluation of the result."""
