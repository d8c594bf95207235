# Where and for whom a desktop runs: language, time zone, the address before it.

# Sets LANG from KF_LANG (what Kubeflow's page is shown in), else leaves the LANG that was given.
# A language that the image does not have becomes English, and the log says so.
choose_language() {
  case "${KF_LANG:-}" in
    '') ;;
    fr_CA* | fr-CA*) export LANG=fr_CA.UTF-8 ;;
    fr*) export LANG=fr_FR.UTF-8 ;;
    en_CA* | en-CA*) export LANG=en_CA.UTF-8 ;;
    en*) export LANG=en_US.UTF-8 ;;
    *) say "KF_LANG=$KF_LANG is neither English nor French; the desktop is in English."
      export LANG=en_US.UTF-8 ;;
  esac
  if [ -n "${KF_LANG:-}" ]; then unset LC_ALL LANGUAGE; fi
  local known
  known=$(locale -a 2>/dev/null | tr '[:upper:]' '[:lower:]' | tr -d '-')
  if ! grep -qx "$(printf %s "${LANG:-C}" | tr '[:upper:]' '[:lower:]' | tr -d '-')" <<< "$known"; then
    say "LANG=$LANG is not in this image; the desktop is in English."
    export LANG=en_US.UTF-8
  fi
}

# TZ is heeded by every program by itself; one that no list has would silently be UTC.
check_time_zone() {
  local zones=${DESKTOP_ZONES:-/usr/share/zoneinfo}
  [ -z "${TZ:-}" ] || [ -e "$zones/${TZ#:}" ] && return 0
  say "TZ=$TZ is no time zone that this image knows, so clocks show UTC. Try one like Europe/Paris."
  unset TZ
}

# NB_PREFIX with one slash before it and none behind: gateways and people write it in every way.
tidy_prefix() {
  local prefix=${NB_PREFIX:-}
  if [[ $prefix = *[[:space:]?#%]* || /$prefix/ = */../* ]]; then
    die "NB_PREFIX=\"$prefix\" is not the path of an address, so the desktop would answer nowhere." \
      "Nothing was changed. Set it to a path such as /notebook/team/desktop, or leave it out."
  fi
  while [[ $prefix = */ ]]; do prefix=${prefix%/}; done
  while [[ $prefix = /* ]]; do prefix=${prefix#/}; done
  if [ -z "$prefix" ]; then unset NB_PREFIX; else export NB_PREFIX=/$prefix; fi
}
