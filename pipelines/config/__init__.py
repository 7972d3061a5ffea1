"""params.yaml, and the paths of what stages read and write."""
