"""The mathematics of diffusion: schedules, the forward process, samplers, grids, noise.

Tensors in, tensors out; no files and no other room.
"""
