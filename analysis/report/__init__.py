"""The comparison report: results.json, and every page, figure and table made from it alone."""
