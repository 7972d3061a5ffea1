"""Upscaling of many images by one network: finding them, running them, recording what is done."""
