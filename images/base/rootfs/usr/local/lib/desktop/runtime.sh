# Files of one run: sockets, locks, cookies, logs. All in one folder outside the home, so that a
# save does not take them and an earlier run's cannot be in the way.

# Makes the folder anew and points every program to it.
#
# - What an earlier run left in it (a saved image, a restarted container) is gone.
# - Only its owner may enter.
make_runtime_folder() {
  local folder=${DESKTOP_RUNTIME_DIR:-/tmp/desktop-$(id -u)}
  if ! rm -rf "$folder" 2>/dev/null || ! mkdir -m 0700 "$folder" 2>/dev/null; then
    # Somebody else's folder of that name, or a /tmp that cannot be written.
    folder=$(mktemp -d 2>/dev/null) || die \
      "Nothing can be written in /tmp, so the desktop cannot start." \
      "Your files are untouched. Give the container a writable /tmp (an emptyDir is enough)."
  fi
  export DESKTOP_RUNTIME_DIR=$folder
  export XDG_RUNTIME_DIR=$folder
  export XAUTHORITY=$folder/Xauthority
  export ICEAUTHORITY=$folder/ICEauthority
  export JUPYTER_RUNTIME_DIR=$folder/jupyter
  export DESKTOP_VNC_SOCKET=$folder/vnc.sock
  unset DBUS_SESSION_BUS_ADDRESS SESSION_MANAGER
  mkdir -m 0700 "$folder/jupyter"
  choose_display
}

# lock_is_live <lock file>: the process it names is an X server now.
# A number alone says nothing: in a new container the same number is some other program.
lock_is_live() {
  local pid name
  read -r pid < "$1" 2>/dev/null || return 1
  name=$(cat "${DESKTOP_PROC:-/proc}/$pid/comm" 2>/dev/null) || return 1
  case "$name" in
    X*) return 0 ;;
  esac
  return 1
}

# Takes the first display that no living X server has, and removes our own dead lock of it.
# Another owner's files are left alone: then the next number is tried.
choose_display() {
  local tmp=${DESKTOP_X_TMP:-/tmp} number lock socket
  for number in 1 2 3 4 5 6 7 8 9; do
    lock=$tmp/.X$number-lock
    socket=$tmp/.X11-unix/X$number
    if [ -e "$lock" ] && lock_is_live "$lock"; then continue; fi
    if [ -e "$lock" ] && [ ! -O "$lock" ]; then continue; fi
    if [ -e "$socket" ] && [ ! -O "$socket" ]; then continue; fi
    rm -f "$lock" "$socket" 2>/dev/null || continue
    export DISPLAY=:$number
    return 0
  done
  die "No free display number from 1 to 9." "Remove foreign files /tmp/.X?-lock and start again."
}

# Removes what an earlier run left in the home that a saved image carries.
# On a volume nothing is touched: there it may belong to another desktop that runs now.
clear_stale_files() {
  local home=${HOME:-/home/jovyan}
  [ -d "$home" ] && ! is_covered "$home" || return 0
  rm -f "$home"/.vnc/*.pid "$home"/.vnc/*.log "$home"/.Xauthority "$home"/.ICEauthority \
    "$home"/.xsession-errors* 2>/dev/null
  rm -rf "$home"/.dbus/session-bus "$home"/.cache/sessions "$home"/.local/share/jupyter/runtime \
    2>/dev/null
  return 0
}

# A saved image has an empty machine-id; two desktops must not share one.
give_machine_id() {
  local file=${DESKTOP_MACHINE_ID:-/etc/machine-id}
  if [ ! -s "$file" ] && [ -w "$file" ]; then
    tr -d '-' < /proc/sys/kernel/random/uuid > "$file" 2>/dev/null
  fi
  return 0
}
