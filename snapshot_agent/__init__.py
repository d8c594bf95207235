"""Turns the changes of a running container into an image and pushes it: one agent a node.

It has two halves, `python -m snapshot_agent capture --config <file>` and the same with `api`. Every
option is a trait of `snapshot_agent.settings.SnapshotAgent`, and `--help-all` shows them.
"""
