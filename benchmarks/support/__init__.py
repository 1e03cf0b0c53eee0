"""What the benchmarks share: load over HTTP, a PostgreSQL cluster, random weights."""
