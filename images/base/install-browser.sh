#!/bin/sh
# Firefox ESR: its sandbox needs neither a setuid helper nor user namespaces, and it does not
# keep pictures in /dev/shm, so it runs in a pod without privileges.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends \
  firefox-esr firefox-esr-l10n-fr p11-kit p11-kit-modules
