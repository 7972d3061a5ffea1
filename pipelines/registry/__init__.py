"""Register models and decide which version is the champion; errors as in `tracking`."""
