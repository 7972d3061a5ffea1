"""Super-resolution after ESRGAN (Wang et al. 2018): networks, losses, metrics, training.

Images are float32 RGB tensors `b c h w` in [0, 1]. The library reports to functions
that its caller passes in and knows no experiment tracker, scheduler or config format.
"""
