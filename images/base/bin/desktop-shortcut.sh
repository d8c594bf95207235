#!/bin/sh
# desktop-shortcut.sh <name>...: puts programs of the menu (/usr/share/applications/<name>.desktop)
# on the desktop; for installers, in whatever image.
#
# They go into the home and into the copy of it that a volume's home gets.
set -eu
for name in "$@"; do
  entry=/usr/share/applications/$name.desktop
  if [ ! -f "$entry" ]; then
    echo "desktop-shortcut: there is no $entry; install the program first." >&2
    exit 1
  fi
  for home in /home/jovyan /home_nbuser_default; do
    [ -d "$home" ] || continue
    mkdir -p "$home/Desktop"
    install -m 0775 -o jovyan -g users "$entry" "$home/Desktop/$name.desktop"
  done
done
