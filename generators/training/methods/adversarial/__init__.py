"""Methods that train a generator against a critic: FSRGAN and StyleGAN2.

Stands on faces, gan and nets.
"""
