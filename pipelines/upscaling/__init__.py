"""Images through one network: which there are, which are done, and what became of each."""
