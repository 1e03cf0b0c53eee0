"""Analysis turns judgments into fool rates with honest intervals, and writes the report."""
