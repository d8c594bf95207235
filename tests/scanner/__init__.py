"""The image scanner, with the real syft and grype where they are built."""
