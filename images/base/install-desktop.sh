#!/bin/sh
# XFCE without its heavy parts, the VNC server, the programs on the panel.
#
# Version:  Debian's of bookworm
# Source:   the Debian mirror
# Checksum: apt checks the archive's GPG signature
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# No power manager, screen saver, compositor, sound or disk daemons: there is no such hardware.
apt-get install -qq -y --no-install-recommends \
  at-spi2-core dbus dbus-bin dbus-session-bus-common \
  tigervnc-standalone-server x11-utils x11-xserver-utils xauth xkb-data \
  xfce4-session xfce4-settings xfce4-panel xfce4-whiskermenu-plugin \
  xfconf xfdesktop4 xfwm4 thunar thunar-archive-plugin xarchiver xfce4-terminal \
  mousepad xdg-utils \
  greybird-gtk-theme elementary-xfce-icon-theme librsvg2-common \
  fonts-dejavu-core fonts-liberation

# The icon theme is used in one flavour.
rm -rf /usr/share/icons/elementary-xfce-darker /usr/share/icons/elementary-xfce-darkest
# Programs that make no sense in a container stay out of the menu.
for name in xfce4-accessibility-settings xfce-display-settings xfce4-mail-reader \
            xfce4-color-settings org.xfce.mousepad-settings; do
  rm -f "/usr/share/applications/$name.desktop"
done
rm -f /etc/xdg/autostart/at-spi-dbus-bus.desktop
# start-desktop writes a fresh identity here, as the user; dbus must not bring another one.
: > /etc/machine-id
chown jovyan:users /etc/machine-id
chmod 0644 /etc/machine-id
ln -sf /etc/machine-id /var/lib/dbus/machine-id
