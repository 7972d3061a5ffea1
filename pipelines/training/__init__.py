"""Train, resume, select and distribute."""
