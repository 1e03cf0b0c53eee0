"""The researcher's site: what comes in, who rates, and the switches to stop it."""
