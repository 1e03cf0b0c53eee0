"""Adversarial nets: StyleGAN2's, their augmentation, and PULSE's search in their latent space.

Stands on nets, diffusion (its noise), config, files and errors.
"""
