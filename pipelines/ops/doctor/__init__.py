"""Problems of an installation and their remedies."""
