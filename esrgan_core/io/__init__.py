"""Image files and resizing, by NumPy and the codecs, without torch.

`rgb` reads what training and metrics use and refuses other modes. `reading` and `writing` keep
images unchanged: 8 and 16 bits, gray, alpha, CMYK, profiles, EXIF and XMP.
"""
