"""Where images and weights come from: HTTP, S3, archives, installed packages, local files."""
