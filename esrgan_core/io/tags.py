"""Numbers of EXIF's and TIFF's tags."""

ORIENTATION, EXIF_IFD, GPS_IFD = 0x0112, 0x8769, 0x8825
WIDTH_TAG, HEIGHT_TAG, XMP_TAG, ICC_TAG = 0xA002, 0xA003, 700, 34675
DESCRIBING = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
"""Tags beside the pixels': description, make, model, software, date, artist, copyright."""
