"""From a catalog to checked images, and from images to LR/HR pairs."""
