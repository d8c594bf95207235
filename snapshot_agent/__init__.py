"""Turns the changes of a running container into an image and pushes it: one agent a node.

Run it with `python -m snapshot_agent --config <file>`; every option is a trait of
`snapshot_agent.app.SnapshotAgent`, and `--help-all` shows them.
"""
