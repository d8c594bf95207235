#!/bin/sh
# Ends every RUN that installs something: what stays behind here stays in the layer for ever.
set -eu
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache
rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log /var/log/fontconfig.log
rm -rf /root/.cache /root/.npm /home/*/.cache/pip
find /tmp /var/tmp -mindepth 1 -delete
# A desktop gets its own identity when it starts; an image must not have one.
if [ -e /etc/machine-id ]; then : > /etc/machine-id; fi
