"""One module per DVC stage: what it reads of params.yaml (`Params`), and `run`."""
