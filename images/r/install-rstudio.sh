#!/bin/sh
# RStudio Server, for one person: jupyter-rsession-proxy starts it on a socket below the Jupyter
# server when its tile is pressed.
#
# Version:  2025.05.1-513, the build for Ubuntu 22.04, which is also Debian 12's
# Source:   https://download2.rstudio.org/server/jammy/amd64/
# Checksum: ff145b655091d0ac6bb50bf79eadb6a75fdefc4deadd537c46a8831af415620d
#
# Where its makers cannot be reached the image is made without it, and the build says so. A file
# with another checksum stops the build.
set -eu
# HOME is the user's in this image: what root writes there would be in the user's way.
export HOME=/tmp
version=2025.05.1-513
checksum=${RSTUDIO_SHA256:-ff145b655091d0ac6bb50bf79eadb6a75fdefc4deadd537c46a8831af415620d}
mirror=${RSTUDIO_MIRROR:-https://download2.rstudio.org}
package=${RSTUDIO_DRAFT:-/tmp/rstudio-server.deb}

code=0
fetch.sh "$mirror/server/jammy/amd64/rstudio-server-$version-amd64.deb" "$checksum" "$package" || code=$?
case "$code" in
  0) ;;
  2)
    echo "install-rstudio: RStudio Server could not be downloaded: this image has R, but no RStudio." >&2
    echo "install-rstudio: build again where $mirror answers, or give RSTUDIO_MIRROR=<your mirror>." >&2
    exit 0 ;;
  *) exit "$code" ;;
esac

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends "$package"
rm -f "$package" /etc/init.d/rstudio-server /lib/systemd/system/rstudio-server.service
# Quarto with a pandoc of its own, beside Debian's, and the names of functions that only its makers
# need in a stack trace: what an image of this size has no room for.
rm -rf /usr/lib/rstudio-server/bin/quarto /usr/lib/rstudio-server/www-symbolmaps
/opt/jupyter/bin/pip install --no-cache-dir --quiet --no-deps --require-hashes \
  -r /tmp/requirements-rstudio.txt
