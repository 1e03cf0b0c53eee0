"""Installing: each part in a fresh environment, and the way from there to raters over TLS."""
