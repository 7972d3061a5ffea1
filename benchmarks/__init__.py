"""Our speed and that of others, in one run on one machine: `python -m benchmarks`."""
