#!/bin/sh
# The user, the languages and the everyday commands.
#
# Version:  Debian's of bookworm
# Source:   the Debian mirror
# Checksum: apt checks the archive's GPG signature
set -eu
export DEBIAN_FRONTEND=noninteractive

# Manuals and languages that nobody here reads are a tenth of the image.
cat > /etc/dpkg/dpkg.cfg.d/desktop <<'END'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
path-include=/usr/share/locale/en*
path-include=/usr/share/locale/fr*
END

apt-get update -qq
apt-get install -qq -y --no-install-recommends \
  bzip2 ca-certificates curl file git git-lfs gnupg less locales nano openssh-client \
  procps psmisc sudo tini tzdata unzip wget xz-utils zip

for name in en_US en_CA fr_FR fr_CA; do echo "$name.UTF-8 UTF-8"; done > /etc/locale.gen
locale-gen
echo 'LANG=en_US.UTF-8' > /etc/default/locale

# Debian's group users is 100 already. A pod that may install things carries group 2600 as a
# supplemental group; the user is not a member by itself, so elsewhere sudo gives nothing.
useradd --uid 1000 --gid users --create-home --home-dir /home/jovyan --shell /bin/bash jovyan
groupadd --gid 2600 desktop-customise
echo '%desktop-customise ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/desktop-customise
chmod 0440 /etc/sudoers.d/desktop-customise
# The host of a pod is not in its /etc/hosts under every name: sudo must not wait for it.
echo 'Defaults !fqdn' > /etc/sudoers.d/desktop-host
chmod 0440 /etc/sudoers.d/desktop-host
