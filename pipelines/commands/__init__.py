"""What `esrgan` can do, one module per kind of thing that it is done to."""
