"""Methods that train a generator against a critic: FSRGAN, StyleGAN2 and BigGAN-deep.

Stands on faces, gan and nets.
"""
