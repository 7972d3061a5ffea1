"""MLflow, which nothing else imports. A store that is down never stops a training."""
