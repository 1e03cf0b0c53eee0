"""A net and a process become images: one conditional stage, large images, the search of a
schedule.

Stands on nets and diffusion.
"""
