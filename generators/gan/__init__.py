"""Adversarial nets: StyleGAN2's, BigGAN-deep's, their augmentation, and PULSE's search in latents.

Stands on nets, diffusion (its noise), config, files and errors.
"""
