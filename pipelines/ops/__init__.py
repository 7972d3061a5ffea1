"""Tools for operators: diagnosis, estimates, integrity checks, cleanup, figures."""
