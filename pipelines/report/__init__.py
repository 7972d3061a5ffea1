"""The picture page and its figures."""
