"""Training VQ-VAE-2: its autoencoder, and the priors over the autoencoder's codes.

Stands on the methods' contract, the loop's configuration and parts, and codes.
"""
