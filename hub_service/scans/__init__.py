"""Which known vulnerabilities are in a version."""
