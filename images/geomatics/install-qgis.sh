#!/bin/sh
# QGIS with its Python, GDAL's and PROJ's commands.
#
# Version:  QGIS_FROM=debian: Debian's of bookworm (3.22); QGIS_FROM=qgis: the newest long-term one
# Source:   the Debian mirror; https://qgis.org/debian-ltr
# Checksum: apt checks the archive's GPG signature; QGIS's key must have the fingerprint
#           2D7E 3441 A707 FDB3 E705 9441 D155 B8E6 A419 C5BE
set -eu
# HOME is the user's in this image: what root writes there would be in the user's way.
export HOME=/tmp
export DEBIAN_FRONTEND=noninteractive
case "${QGIS_FROM:-debian}" in
  debian) ;;
  qgis)
    add-apt-source.sh qgis "${QGIS_KEY:-https://download.qgis.org/downloads/qgis-archive-keyring.gpg}" \
      "${QGIS_FINGERPRINT:-2D7E3441A707FDB3E7059441D155B8E6A419C5BE}" \
      "${QGIS_ARCHIVE:-https://qgis.org/debian-ltr}" bookworm main ;;
  *)
    echo "install-qgis: QGIS_FROM=$QGIS_FROM is neither debian nor qgis; nothing was installed." >&2
    exit 1 ;;
esac
apt-get update -qq
apt-get install -qq -y --no-install-recommends qgis python3-qgis gdal-bin proj-bin

# QGIS's Python is Debian's: it must not take the user's, which PATH has first, for its own.
cat > /usr/local/bin/qgis <<'END'
#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin exec /usr/bin/qgis "$@"
END
chmod 0755 /usr/local/bin/qgis
desktop-shortcut.sh org.qgis.qgis
