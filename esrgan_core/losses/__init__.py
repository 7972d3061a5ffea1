"""Loss functions; each returns a scalar tensor."""
