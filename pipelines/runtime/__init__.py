"""What all processes of a run share: state root, status, progress, commands, lineage."""
