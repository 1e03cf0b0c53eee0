"""What others made, as generators: a folder or `.npz` of images, diffusers, spandrel.

Stands on images; diffusers and spandrel are optional.
"""
