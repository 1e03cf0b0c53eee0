"""Analysis turns judgments into fool rates and rankings, and writes the report."""
