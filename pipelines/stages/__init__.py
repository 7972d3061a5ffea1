"""One module per DVC stage, with its parameters (`Params`) and `run`."""
