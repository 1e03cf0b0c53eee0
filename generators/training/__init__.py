"""A configuration becomes weights: data, the loop, the nets that train, state to resume from, the
model card.

Stands on sampling, nets and diffusion.
"""
