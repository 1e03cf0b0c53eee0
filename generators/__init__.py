"""Generators write runs: folders of images with a manifest that says how each was made."""
