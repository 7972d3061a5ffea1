"""Which version of a model is the champion."""
