"""A configuration becomes weights: data, the loop, state to resume from, validation, the model
card.

Stands on sampling, nets and diffusion.
"""
