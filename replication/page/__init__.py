"""The report as one self-contained page, made only from the results and their pictures."""
