"""What a training or an upscaling will take, estimated from a short piece of it."""
