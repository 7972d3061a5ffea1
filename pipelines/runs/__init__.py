"""Runs of the whole pipeline: cloned, executed, saved as DVC experiments, reproduced."""
