"""The catalogue of desktop images and the jobs that make them: a service of JupyterHub."""
