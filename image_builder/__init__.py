"""Builds an image from a Dockerfile, in a pod of its own: one step of the pod each.

`python -m image_builder fetch|guard|build|push`. Each step gets what it needs in its environment
and in /config, holds the credentials of no other step, and tells what it does as one JSON object
a line (events.py), which hub_service reads from the pod's log.
"""
