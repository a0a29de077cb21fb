"""Denoising diffusion as parts: network, schedule, samplers, training. Backends put them together."""
