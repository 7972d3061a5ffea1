"""MLflow runs and registered models. A store that is down never stops a training."""
