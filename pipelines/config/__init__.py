"""params.yaml, the paths of artifacts, and the errors that the user can fix."""
