"""The world outside: Kubernetes, JupyterHub, the snapshot agents and the registry."""
