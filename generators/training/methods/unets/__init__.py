"""Methods that train a U-Net: diffusion and regression (SR3, CDM), ADM, and ADM's noisy classifier.

Stands on nets, diffusion and sampling.
"""
