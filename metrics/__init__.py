"""Metrics read runs and write scores: automatic measures of image quality, with provenance."""
