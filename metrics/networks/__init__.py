"""The networks that features come from: Inception, DINOv2, EfficientNet.

Stands on extraction, weights and images.
"""
