"""The study site: serves two-alternative forced-choice trials and records judgments."""
