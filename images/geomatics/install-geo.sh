#!/bin/sh
# Geographic libraries: R's of Debian, and the user's Python's.
#
# Version:  Debian's of bookworm; requirements-geo.txt
# Source:   the Debian mirror, PyPI
# Checksum: apt checks the archive's GPG signature; the SHA-256 of every Python package in
#           requirements-geo.txt, which pip insists on
set -eu
# HOME is the user's in this image: what root writes there would be in the user's way.
export HOME=/tmp
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends r-cran-sf r-cran-terra r-cran-stars
/opt/python/bin/pip install --no-cache-dir --quiet --require-hashes -r /tmp/requirements-geo.txt
fix-permissions.sh /opt/python
