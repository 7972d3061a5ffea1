"""Image files in and out, and resizing, by NumPy and the codecs alone: without torch.

`rgb` reads what training and metrics take and refuses all else, since converting it would change
the image. The other modules keep images as they are: 8 and 16 bits by type and never by value,
gray, alpha, CMYK, profiles, EXIF and XMP.
"""
