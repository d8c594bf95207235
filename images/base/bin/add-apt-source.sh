#!/bin/sh
# add-apt-source.sh <name> <address of the key> <fingerprint> <address> <suite> <component>
#
# Adds a package source that is believed only if its key has exactly this fingerprint; apt then
# checks every package against that key and no other.
# Ends with 1 when the key is another one, with 2 when it could not be downloaded.
set -eu
name=$1 key_address=$2 fingerprint=$3 address=$4 suite=$5 component=$6
apt=${APT_FOLDER:-/etc/apt}
key=$apt/keyrings/$name.gpg
draft=$(mktemp)
work=$(mktemp -d)
trap 'rm -rf "$draft" "$work"' EXIT
if ! curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --max-time 120 \
    --output "$draft" "$key_address"; then
  echo "add-apt-source: the key $key_address could not be downloaded; $name was not added." >&2
  exit 2
fi
found=$(gpg --homedir "$work" --batch --show-keys --with-colons "$draft" 2>/dev/null \
  | awk -F: '$1 == "pub" { getline; print $10 }')
if [ "$found" != "$fingerprint" ]; then
  echo "add-apt-source: the key of $name is not the one that was expected; nothing was added." >&2
  echo "add-apt-source: expected fingerprint $fingerprint" >&2
  echo "add-apt-source: found    fingerprint ${found:-none}" >&2
  echo "add-apt-source: if its makers changed it, check theirs and write it into the installer." >&2
  exit 1
fi
mkdir -p "$apt/keyrings" "$apt/sources.list.d"
# apt takes the plain form only; the file may come in either.
if grep -q -- '-----BEGIN PGP' "$draft"; then
  gpg --homedir "$work" --batch --yes --dearmor --output "$key" < "$draft"
else
  cp "$draft" "$key"
fi
chmod 0644 "$key"
cat > "$apt/sources.list.d/$name.sources" <<END
Types: deb
URIs: $address
Suites: $suite
Components: $component
Signed-By: $key
END
