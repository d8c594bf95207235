# Lines for people in the log of the container.

say() { printf 'desktop: %s\n' "$*" >&2; }

# die <what happened> <what is safe and what to do>
die() {
  say "$1"
  shift
  [ $# -gt 0 ] && say "$*"
  exit 1
}
