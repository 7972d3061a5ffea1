"""Pictures as they are: every mode that is met with, its alpha and metadata, in and out of files.

What `esrgan_core.image` refuses for training, since it would change the picture, is kept here: 8
and 16 bits by type and never by value, gray, alpha, CMYK, profiles, EXIF and XMP.
"""
