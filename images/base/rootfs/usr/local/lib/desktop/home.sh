# The home: brings back what a volume covers, and copes with one that cannot be written.

# can_write <folder>: a file can really be made there (a full or read-only volume says no).
can_write() {
  local probe=$1/.desktop-write-$$
  ( echo probe > "$probe" ) 2>/dev/null && rm -f "$probe" && return 0
  rm -f "$probe" 2>/dev/null
  return 1
}

# is_covered <folder>: something is mounted over it or over a folder above it.
is_covered() {
  [ "$(stat -c %d "$1")" != "$(stat -c %d "${DESKTOP_ROOT:-/}")" ]
}

# A short name of the state of the defaults, cheap to compute: names, sizes, times.
defaults_fingerprint() {
  ( cd "$1" && find . -printf '%P %s %T@\n' | LC_ALL=C sort | sha256sum | cut -c1-16 )
}

# restore_defaults <defaults> <home>: copies what is missing.
#
# - A file that is there stays as it is, whatever its age.
# - Each state of the defaults is copied once: what a person deletes does not come back at
#   every start, and an image with other defaults still brings its own.
restore_defaults() {
  local defaults=$1 home=$2 seen mark
  [ -d "$defaults" ] || return 0
  mark=$(defaults_fingerprint "$defaults")
  seen=$home/.local/state/desktop-defaults
  [ -e "$seen/$mark" ] && return 0
  # Owner and mode are not forced on a volume that does not know them (NFS, CIFS).
  if ! cp -R --no-clobber --no-dereference --preserve=mode,timestamps \
    "$defaults/." "$home/" 2>/dev/null; then
    say "Some settings could not be copied to $home; the desktop starts with what is there."
  fi
  mkdir -p "$seen" 2>/dev/null && : > "$seen/$mark"
  return 0
}

# Makes HOME a folder that can be written, filled with the defaults where a volume covers it.
prepare_home() {
  local defaults=${DESKTOP_HOME_DEFAULTS:-/home_nbuser_default}
  export HOME=${HOME:-/home/jovyan}
  if ! can_write "$HOME"; then
    say "$HOME cannot be written (read-only, full, or another owner's)."
    say "Your files there are untouched. This desktop has a temporary home; what you put in it" \
      "is not kept. Ask for a writable volume, or free space on it, and start again."
    echo home_not_writable > "$DESKTOP_RUNTIME_DIR/notice"
    export DESKTOP_REAL_HOME=$HOME
    export HOME=$DESKTOP_RUNTIME_DIR/home
    mkdir -m 0755 "$HOME"
    cp -R --no-clobber --preserve=mode,timestamps "$defaults/." "$HOME/" 2>/dev/null
    ln -s "$DESKTOP_REAL_HOME" "$HOME/Desktop/My files (read-only)" 2>/dev/null
  elif is_covered "$HOME"; then
    restore_defaults "$defaults" "$HOME"
  fi
  cd "$HOME" || die "$HOME cannot be entered." "Check the volume's owner: user 1000, group 100."
}
