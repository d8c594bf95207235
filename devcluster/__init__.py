"""A real Kubernetes cluster of one node on one machine: `python3 -m devcluster up`."""
