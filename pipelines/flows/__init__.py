"""Prefect flows of the pipeline, and the server that runs them on this machine."""
