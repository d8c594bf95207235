#!/bin/sh
# The programs that run beside the desktop, each as jovyan, none as root: supervisor, which keeps
# them up, rsyslogd and netdata.
#
# Version:  Debian's of bookworm
# Source:   the Debian mirror
# Checksum: apt checks the archive's GPG signature
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends supervisor rsyslog netdata-core netdata-web

# What these packages start as root on a machine is nothing to a desktop.
rm -rf /etc/init.d/netdata /etc/init.d/rsyslog /etc/init.d/supervisor /etc/cron.daily/netdata* \
  /etc/logrotate.d/netdata* /etc/logrotate.d/rsyslog /etc/logrotate.d/supervisor
# Rights that a plugin of netdata has through its file: it runs without them. A copy has none.
for file in /usr/lib/netdata/plugins.d/*.plugin; do
  cp "$file" "$file.plain"
  mv "$file.plain" "$file"
  chmod 0755 "$file"
done
