"""Training stages: train, resume, select the network to keep, distribute over processes."""
