"""From a Dockerfile to a version."""
