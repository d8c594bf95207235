"""The command `desktops`: saves, builds and manages desktop images from a terminal.

Works in a session as it is, and on any other machine with `--hub` and a token.
"""
