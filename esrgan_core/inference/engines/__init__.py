"""Libraries that compute a network: torch, and ncnn where it is installed and faster."""
