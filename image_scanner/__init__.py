"""Looks for known vulnerabilities in an image: what is in it (SBOM), and what is known of that.

It runs as a pod of its own, in three steps. The first alone holds a credential of the registry and
looks into nothing that it fetches; the last alone opens the image and holds nothing. What they find
they tell on their output, one JSON object a line.
"""
