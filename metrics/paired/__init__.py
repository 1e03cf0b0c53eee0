"""Scores of one output against its own reference: PSNR, SSIM, LPIPS, consistency.

Stands on networks, extraction and images.
"""
