"""Images as codes (VQ-VAE-2): a quantiser, an autoencoder of two levels, priors over the codes.

Stands on nets, config and errors.
"""
