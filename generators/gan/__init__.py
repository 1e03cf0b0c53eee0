"""Adversarial nets: StyleGAN2's, their augmentation, and PULSE's search in their latent space.

Stands on nets, config, files and errors.
"""
