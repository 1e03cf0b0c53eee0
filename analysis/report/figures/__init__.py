"""The report's figures: matplotlib in, deterministic SVG and PNG out, one figure per module."""
