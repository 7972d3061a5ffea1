"""MLflow runs and registered models. A store that is down never stops a training.

Functions raise `StoreDownError` if the store does not respond, `StoreError` if it refuses.
"""
