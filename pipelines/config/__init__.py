"""params.yaml, the paths of artifacts, and the classes of errors."""
