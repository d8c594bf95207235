"""Turns the changes of a running container into an image and pushes it: one agent a node."""
