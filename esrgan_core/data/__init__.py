"""Image pairs on disk and the patches that training draws from them."""
