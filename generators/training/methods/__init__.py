"""What a training's `method` may name: what one step does, with which nets.

Stands on the loop's configuration, data and parts, and on sampling.
"""
