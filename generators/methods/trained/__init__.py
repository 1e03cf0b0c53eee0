"""Nets that `train` makes, as generators: diffusion (SR3, CDM, ADM), FSRGAN, PULSE.

Stands on sampling, faces, gan and nets.
"""
