#!/bin/sh
# Firefox ESR: it can do without a setuid helper, without user namespaces and with a small
# /dev/shm, so it runs in a pod without privileges (see MOZ_ASSUME_USER_NS in the Dockerfile).
#
# Version:  Debian's of bookworm
# Source:   the Debian mirror
# Checksum: apt checks the archive's GPG signature
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends \
  firefox-esr firefox-esr-l10n-fr p11-kit p11-kit-modules
