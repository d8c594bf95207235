"""Real small servers that stand in for the large ones; tests/conformance holds them to it."""
