#!/bin/sh
# fix-permissions.sh <folder>...: jovyan owns it, the group users may write in it.
#
# Changes only what is wrong: a file whose mode is touched is copied whole into the next layer.
set -eu
for folder in "$@"; do
  find "$folder" ! \( -user jovyan -group users \) -exec chown -h jovyan:users {} +
  find "$folder" -type d ! -perm -2775 -exec chmod g+rwxs {} +
  find "$folder" -type f ! -perm -g+rw -exec chmod g+rw {} +
done
