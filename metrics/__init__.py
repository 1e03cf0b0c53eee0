"""Metrics read runs and write scores: automatic measures of image quality, each with its provenance."""
