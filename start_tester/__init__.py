"""Looks at a desktop that has just been started, as a person's browser would.

It runs beside the desktop, in the same pod, and reaches it on the loopback: nothing else has to
reach the pod. What it finds it tells on its output, one JSON object a line.
"""
