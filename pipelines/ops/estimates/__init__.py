"""Time, disk space and memory of work, estimated from a short part of it."""
