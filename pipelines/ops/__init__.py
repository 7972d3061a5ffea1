"""Tools for whoever operates the pipeline: doctor, estimates, integrity checks, clean-up."""
