#!/bin/sh
# fetch.sh <address> <SHA-256> <file>: downloads a file, and keeps it only if it is the expected one.
#
# Ends with 1 when the content is another one (never ignore it), with 2 when nothing came, with 3
# when it could not be written.
set -eu
address=$1 expected=$2 file=$3
code=0
curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --max-time 1800 \
  --output "$file" "$address" || code=$?
if [ "$code" = 23 ]; then
  rm -f "$file"
  echo "fetch: $file could not be written: the disk is full or read-only. Nothing was installed." >&2
  echo "fetch: free space for the build and start it again." >&2
  exit 3
elif [ "$code" != 0 ]; then
  rm -f "$file"
  echo "fetch: $address could not be downloaded. Nothing was installed from it." >&2
  echo "fetch: see whether this machine reaches that address, then build again." >&2
  exit 2
fi
found=$(sha256sum "$file" | cut -d' ' -f1)
if [ "$found" != "$expected" ]; then
  rm -f "$file"
  echo "fetch: $address is not the file that was expected; it was deleted and nothing was installed." >&2
  echo "fetch: expected SHA-256 $expected" >&2
  echo "fetch: found    SHA-256 $found" >&2
  echo "fetch: if its makers published a new one, check theirs and write it into the installer." >&2
  exit 1
fi
