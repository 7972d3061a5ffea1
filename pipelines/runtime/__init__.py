"""What every process of a run shares: state root, status, progress, commands, lineage."""
