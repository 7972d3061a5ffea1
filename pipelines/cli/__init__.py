"""The command line: `esrgan`."""
