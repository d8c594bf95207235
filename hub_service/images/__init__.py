"""Changing, sharing, comparing and deleting images and their versions."""
