"""What a configuration's `generator` may name: interpolation, SR3, CDM, foreign folders, diffusers.

Stands on sampling, faces, gan and nets; `contract` documents the signature that each method has.
"""
