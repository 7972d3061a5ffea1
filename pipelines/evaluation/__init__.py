"""Methods, measured on test sets."""
