#!/bin/sh
# With GPU=yes: the loaders that NVIDIA's drivers plug into. The drivers themselves come from the
# node, by NVIDIA's container runtime; CUDA comes with BASE_IMAGE or with what people install.
#
# Version:  Debian's of bookworm
# Source:   the Debian mirror
# Checksum: apt checks the archive's GPG signature
set -eu
[ "${GPU:-}" = yes ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends libegl1 libgl1 libvulkan1
# Where device plugins put the drivers' libraries and programs.
printf '/usr/local/nvidia/lib\n/usr/local/nvidia/lib64\n' > /etc/ld.so.conf.d/nvidia.conf
ldconfig
