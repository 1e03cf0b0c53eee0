"""The networks: the U-Net and its blocks, a model with its process, checkpoints, devices.

Stands on diffusion.
"""
