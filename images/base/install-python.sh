#!/bin/sh
# Two Pythons, each with one duty:
#   /opt/jupyter  serves the page; owned by root, so that no pip install can stop a desktop
#                 from starting again
#   /opt/python   is the user's: `pip install x` writes here in every kind of session, and a
#                 saved image has it, because no volume ever covers it
#
# Version:  Debian's Python; requirements-jupyter.txt, requirements-python.txt
# Source:   the Debian mirror, PyPI
# Checksum: the SHA-256 of every package in those lists, which pip insists on
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends python3 python3-venv

python3 -m venv /opt/jupyter
/opt/jupyter/bin/pip install --no-cache-dir --quiet --require-hashes -r /tmp/requirements-jupyter.txt
for name in jupyter jupyter-lab jupyter-server jupyterhub-singleuser; do
  ln -s "/opt/jupyter/bin/$name" /usr/local/bin/
done

python3 -m venv /opt/python
/opt/python/bin/pip install --no-cache-dir --quiet --require-hashes -r /tmp/requirements-python.txt
# JupyterLab's Python is the user's, not the server's.
rm -rf /opt/jupyter/share/jupyter/kernels/python3
/opt/python/bin/python -m ipykernel install --prefix /opt/jupyter --name python3 \
  --display-name 'Python 3' >/dev/null

# Maps, tests, and the hub's own pages: nothing here loads them.
rm -rf /opt/jupyter/share/jupyterhub/static/components
find /opt/jupyter/share/jupyter /opt/jupyter/lib -name '*.js.map' -delete
rm -rf /opt/jupyter/lib/python3*/site-packages/*/tests
fix-permissions.sh /opt/python
