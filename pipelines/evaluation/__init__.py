"""Scores of methods on test sets."""
