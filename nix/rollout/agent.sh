#!/bin/sh
# The target's side of a rollout. The operator's side calls it with a verb; the units
# that it starts (activation, commit, way back, watchdog) and the unit that keeps the
# watch over a reboot call it too. It changes nothing but what the protocol names:
# /var/lib/fleet-rollout, roots for the collector, the system profile, and what
# `switch-to-configuration` of the two closures does.
#
# Answers are lines of words on standard output, the last one is `end`. Whatever is
# refused is an answer (`refused WHY`); a status other than 0 means that it failed.
#
# One commit point: RECORD/state changes only under the lock,
#   armed -> promoting -> confirmed, or armed | promoting -> reverting -> reverted.
# Whoever takes the lock first decides; the others obey.
set -u
umask 022
PATH=/run/wrappers/bin:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
base=/var/lib/fleet-rollout
profile=/nix/var/nix/profiles/system
roots=/nix/var/nix/gcroots/fleet-rollout
# What `switch-to-configuration` holds while it works.
switching=/run/nixos/switch-to-configuration.lock
self=$0

fail() { printf '%s\n' "fleet-rollout: $*" >&2; exit 70; }
refuse() { printf 'refused %s\nend\n' "$*"; exit 0; }
uptime_ms() { awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime; }
boot_id() { cat /proc/sys/kernel/random/boot_id; }

# ---- values from outside ------------------------------------------------------
number() { case $1 in '' | *[!0-9]*) fail "no number: '$1'" ;; esac; }
name() { case $1 in '' | .* | *[!A-Za-z0-9._-]*) fail "no name: '$1'" ;; esac; }
closure() {
  case ${1#/nix/store/} in
    "$1" | '' | .* | *[!A-Za-z0-9+._?=-]*) fail "no store path: '$1'" ;;
  esac
}

# ---- the record ---------------------------------------------------------------
record=$base/current
get() { cat "$record/$1" 2>/dev/null || :; }
# A reset finds the old value or the new one.
put() {
  printf '%s\n' "$2" > "$record/$1.new" && sync "$record/$1.new" \
    && mv "$record/$1.new" "$record/$1" && sync "$record/" || fail "$record/$1 cannot be written"
}
take_lock() { # seconds
  mkdir -p -m 700 "$base"
  exec 8> "$base/lock"
  flock -w "$1" 8
}
drop_lock() { exec 8>&-; }
# What is started from here does not keep the lock.
run() { "$@" 8>&-; }

unit_name() { printf 'fleet-rollout-%s-%s-%s' "$(get rollout)" "$(get attempt)" "$1"; }
is_running() { # unit
  [ -n "$1" ] || return 1
  case $(systemctl show -p ActiveState -p Job "$1.service" 2>/dev/null) in
    *ActiveState=activating* | *ActiveState=deactivating* | *Job=[1-9]*) return 0 ;;
    *) return 1 ;;
  esac
}
# How far a unit is, from the name of its file: test, commit or revert.
how_far() {
  unit=$(get "$1-unit")
  if [ -z "$unit" ]; then
    echo not-started
  elif is_running "$unit"; then
    echo running
  else
    status=$(get "$1-status")
    echo "${status:-vanished}"
  fi
}
status_word() { # status of a command
  if [ "$1" -gt 128 ]; then echo "signal $(($1 - 128))"; else echo "exited $1"; fi
}

# ---- the machine --------------------------------------------------------------
current_system() { readlink -f /run/current-system 2>/dev/null; }
profile_path() { readlink -f "$profile" 2>/dev/null; }
generation() {
  link=$(readlink "$profile" 2>/dev/null)
  link=${link##*/system-}
  link=${link%-link}
  case $link in '' | *[!0-9]*) echo 0 ;; *) echo "$link" ;; esac
}
init_of() { sed -n 's|.*[[:space:]]init=\(/nix/store/[^/[:space:]]*\)/init.*|\1|p' "$@" 2>/dev/null | head -n 1; }
# The closure that the boot menu's default entry starts. Where there is no menu that
# can be read (a container), what leads there is the profile.
boot_default() {
  for menu in /boot /boot/efi /efi /boot/EFI; do
    [ -r "$menu/loader/loader.conf" ] || continue
    entry=$(sed -n 's/^default[[:space:]][[:space:]]*//p' "$menu/loader/loader.conf" | head -n 1)
    for file in "$menu/loader/entries/"$entry "$menu/loader/entries/"$entry.conf; do
      if [ -r "$file" ]; then
        init_of "$file"
        return
      fi
    done
  done
  if [ -r /boot/grub/grub.cfg ]; then
    init_of /boot/grub/grub.cfg
  elif [ -r /boot/extlinux/extlinux.conf ]; then
    label=$(sed -n 's/^DEFAULT[[:space:]]*//p' /boot/extlinux/extlinux.conf | head -n 1)
    sed -n "/^LABEL $label\$/,/^\$/p" /boot/extlinux/extlinux.conf \
      | sed -n 's|.*[[:space:]]init=\(/nix/store/[^/[:space:]]*\)/init.*|\1|p' | head -n 1
  else
    profile_path
  fi
}
# Never a generation more than it takes, and never one less.
set_profile() { # profile, closure, generation or -
  [ "$(readlink -f "$1" 2>/dev/null)" = "$2" ] && [ "$3" = - ] && return 0
  if [ "$3" != - ] && [ "$(readlink -f "$1-$3-link" 2>/dev/null)" = "$2" ]; then
    [ "$(readlink "$1")" = "${1##*/}-$3-link" ] || run nix-env -p "$1" --switch-generation "$3"
  else
    [ "$(readlink -f "$1" 2>/dev/null)" = "$2" ] || run nix-env -p "$1" --set "$2"
  fi
}
restart() {
  sync
  run systemctl --no-block reboot || run systemctl --force reboot
  # It may be what hangs.
  sleep 45
  run systemctl --force --force reboot
}

# ---- the watchdog -------------------------------------------------------------
# A timer outside every session. The new one is there before the old one goes.
watch() { # milliseconds
  serial=$(get watch-serial)
  serial=$((${serial:-0} + 1))
  old=$(get watchdog)
  unit=$(unit_name "watchdog-$serial")
  run systemd-run --quiet --no-ask-password --unit="$unit" --on-active="$1ms" \
    --timer-property=AccuracySec=100ms --property=Type=oneshot --property=TimeoutStartSec=infinity \
    --property="StandardOutput=append:$base/current/log" --property=StandardError=inherit \
    "$self" watchdog "$unit" || fail "the watchdog cannot be armed"
  put watch-serial "$serial"
  put watch-deadline "$(($(uptime_ms) + $1))"
  put watchdog "$unit"
  [ -z "$old" ] || run systemctl stop "$old.timer" 2>/dev/null || :
}
is_watched() {
  unit=$(get watchdog)
  [ -n "$unit" ] || return 1
  systemctl is-active --quiet "$unit.timer" || is_running "$unit"
}

# ---- verbs --------------------------------------------------------------------
probe() {
  # What is being decided this moment is waited for, but not for long.
  if [ -e "$base/lock" ]; then
    exec 8< "$base/lock"
    flock -s -w 1 8 || :
  fi
  echo "fleet-rollout 1"
  echo "current $(current_system)"
  echo "profile $(profile_path)"
  echo "generation $(generation)"
  echo "boot $(boot_default)"
  echo "booted $(readlink -f /run/booted-system 2>/dev/null)"
  echo "boot-id $(boot_id)"
  for place in /nix /boot; do
    echo "free $place $(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print $4 }')"
  done
  # What this protocol itself has started is nothing that the system did.
  systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null \
    | awk '$1 !~ /^fleet-rollout-/ { print "failed " $1 }'
  case $(systemctl show -p LoadState --value fleet-rollout-guard.service 2>/dev/null) in
    loaded) echo "guard yes" ;;
    *) echo "guard no" ;;
  esac
  if [ -e "$record/state" ]; then
    echo "record $(get rollout) $(get attempt) $(get token) $(get state)"
    echo "record-boot-id $(get boot-id)"
    start=$(get test-start)
    echo "test ${start:-0} $(how_far test)"
    echo "commit $(how_far commit)"
    echo "revert $(how_far revert)"
    if is_watched; then echo "watched yes"; else echo "watched no"; fi
    for key in watch-deadline watch-began watch-done reverted-by; do
      value=$(get "$key")
      [ -z "$value" ] || echo "$key $value"
    done
  fi
  echo end
}

# Somebody or something may still act by the record.
is_live() {
  for what in test commit revert; do
    [ "$(how_far $what)" != running ] || return 0
  done
  case $(get state) in armed | promoting | reverting) is_watched ;; *) return 1 ;; esac
}

hold() { # closures: roots first, so that no collection comes between
  mkdir -p "$roots"
  rm -rf "$roots/next"
  mkdir "$roots/next"
  for path in "$@"; do
    closure "$path"
    ln -sfn "$path" "$roots/next/${path##*/}"
  done
  case $self in /nix/store/*) ln -sfn "$self" "$roots/next/${self##*/}" ;; esac
  for link in "$roots/next/"*; do mv -fT "$link" "$roots/${link##*/}" || fail "no roots"; done
  for link in "$roots/"*; do
    [ -L "$link" ] || continue
    [ "$link" = "$roots/${self##*/}" ] && continue
    keep=
    for path in "$@"; do [ "${path##*/}" != "${link##*/}" ] || keep=yes; done
    # What an unsettled record goes back to stays.
    case ${link##*/} in
      "$(basename "$(get from-current)")" | "$(basename "$(get from-profile)")" | "$(basename "$(get to)")") keep=yes ;;
    esac
    [ -n "$keep" ] || rm -f "$link"
  done
  rmdir "$roots/next"
  echo done
  echo end
}

arm() { # rollout attempt to from{current profile generation boot} found{current profile boot} watchdog activation reboot
  name "$1"; number "$2"; closure "$3"; closure "$4"; closure "$5"
  [ "$6" = - ] || number "$6"
  closure "$7"
  rollout=$1 attempt=$2 to=$3 current=$4 was=$5 generation=$6 boot=$7
  shift 7
  closure "$1"; closure "$2"; closure "$3"; number "$4"; number "$5"; name "$6"
  found_current=$1 found_profile=$2 found_boot=$3 delay=$4 activation=$5 reboot=$6
  case $self in /nix/store/*) ;; *) fail "not started from the store" ;; esac
  take_lock 10 || refuse "busy $(get rollout)"
  token=$(($(cat "$base/token" 2>/dev/null || echo 0) + 1))
  if [ -e "$record/state" ]; then
    own=no
    if [ "$(get rollout)" = "$rollout" ]; then own=maybe; fi
    if [ $own = no ] && is_live; then refuse "busy $(get rollout)"; fi
    if [ $own = maybe ] && [ "$(get attempt)" = "$attempt" ]; then
      state=$(get state)
      [ "$state" = armed ] || refuse "settled $state"
      put_token "$token"
      put token "$token"
      watch "$delay"
      printf 'armed %s\nend\n' "$token"
      return
    fi
    if is_live; then refuse "busy $(get rollout)"; fi
    # What a record that nobody watches any more has left halfway is drift, and
    # shows below.
  fi
  [ "$(current_system)" = "$found_current" ] && [ "$(profile_path)" = "$found_profile" ] \
    && [ "$(boot_default)" = "$found_boot" ] || refuse moved
  put_token "$token"
  fresh=$base/record-$token
  rm -rf "$fresh"
  mkdir -p "$fresh"
  # The record comes into being with its state, in one step.
  record=$fresh
  put rollout "$rollout"; put attempt "$attempt"; put token "$token"; put to "$to"
  put from-current "$current"; put from-profile "$was"; put from-generation "$generation"
  put from-boot "$boot"; put boot-id "$(boot_id)"
  put activation "$activation"; put reboot "$reboot"
  : > "$fresh/log"
  put state armed
  old=$(readlink "$base/current" 2>/dev/null)
  ln -sfn "record-$token" "$base/current.new"
  mv -T "$base/current.new" "$base/current"
  sync "$base/"
  record=$base/current
  watch "$delay"
  for directory in "$base"/record-*; do
    case ${directory##*/} in "record-$token" | "$old") ;; *) rm -rf "$directory" ;; esac
  done
  printf 'armed %s\nend\n' "$token"
}
put_token() {
  printf '%s\n' "$1" > "$base/token.new" && sync "$base/token.new" \
    && mv "$base/token.new" "$base/token" || fail "$base/token cannot be written"
}

# Starts a unit that outlives the connection.
detach() { # what, unit, arguments of the verb
  put "$1-status" ""
  put "$1-unit" "$2"
  what=$1 unit=$2
  shift 2
  run systemd-run --quiet --no-block --no-ask-password --service-type=oneshot \
    --property=RemainAfterExit=yes --property=TimeoutStartSec=infinity \
    --property="StandardOutput=append:$base/current/log" --property=StandardError=inherit \
    --unit="$unit" "$self" "$@" || fail "$what cannot be started"
}

check_owner() { # rollout attempt token
  [ -e "$record/state" ] && [ "$(get rollout)" = "$1" ] && [ "$(get attempt)" = "$2" ] \
    && [ "$(get token)" = "$3" ] || refuse fenced
}

start() { # unit rollout attempt start token closure generation colour watchdog
  name "$2"; number "$3"; number "$4"; number "$5"; closure "$6"
  [ "$7" = - ] || number "$7"
  name "$8"
  [ "$9" = - ] || number "$9"
  take_lock 10 || { [ "$1" = revert ] || fail "the record is locked"; }
  check_owner "$2" "$3" "$5"
  state=$(get state)
  case $1:$state in
    test:armed | commit:armed | stage:armed | confirm:promoting) ;;
    revert:armed | revert:promoting | revert:reverting | revert:reverted) ;;
    *) refuse "settled $state" ;;
  esac
  if [ "$9" != - ]; then
    watch "$9"
    put staged-watch "$9"
  fi
  case $1 in
    test)
      # The same start twice is one start.
      if [ "$(get test-start)" != "$4" ]; then
        put test-start "$4"
        detach test "$(unit_name "test-$4")" do-test "$6"
      fi
      ;;
    commit | stage | confirm)
      detach commit "$(unit_name "$1")" "do-$1" "$5" "$6" "$7" "$8"
      ;;
    revert)
      if is_running "$(get revert-unit)"; then refuse "settled reverting"; fi
      if is_running "$(get watchdog)"; then refuse "settled reverting"; fi
      if [ "$state" = reverted ]; then
        put revert-unit none
        put revert-status "exited 0"
      else
        count=$(get revert-count)
        count=$((${count:-0} + 1))
        put revert-count "$count"
        detach revert "$(unit_name "revert-$count")" do-revert operator
      fi
      ;;
  esac
  drop_lock
  echo started
  echo end
}

# Waits for the end of a unit, at most so many seconds.
await() { # unit rollout attempt start seconds offset
  number "$3"; number "$4"; number "$5"; number "$6"
  what=$1
  case $1 in stage | confirm) what=commit ;; esac
  tries=$(($5 * 5))
  far=vanished
  while :; do
    if [ "$(get rollout)" != "$2" ] || [ "$(get attempt)" != "$3" ]; then break; fi
    if [ "$what" = test ] && [ "$(get test-start)" != "$4" ]; then break; fi
    far=$(how_far $what)
    [ "$far" = running ] && [ $tries -gt 0 ] || break
    tries=$((tries - 1))
    sleep 0.2
  done
  echo "state $far"
  size=$(wc -c < "$record/log" 2>/dev/null || echo 0)
  echo "log $((size))"
  if [ "$size" -gt "$6" ] 2>/dev/null; then
    tail -c "+$(($6 + 1))" "$record/log" | tail -c 8000 | sed 's/^/| /'
    echo
  fi
  echo end
}

do_test() { # closure
  mkdir -p /run/nixos
  if ! flock -n "$switching" true; then
    put test-status lock
    return
  fi
  before=$(wc -c < "$record/log")
  "$1/bin/switch-to-configuration" test
  status=$?
  word=$(status_word $status)
  if [ $status = 1 ] && tail -c "+$((before + 1))" "$record/log" | grep -q 'Could not acquire lock'; then
    word=lock
  fi
  put test-status "$word"
}

do_commit() { # how token closure generation colour
  take_lock 60 || { put commit-status "exited 75"; return; }
  wanted=armed
  [ "$1" != confirm ] || wanted=promoting
  # Somebody else was first: nothing of this takes place.
  if [ "$(get token)" != "$2" ] || [ "$(get state)" != $wanted ]; then
    put commit-status "exited 76"
    return
  fi
  put state promoting
  status=0
  if [ "$1" != confirm ]; then
    [ "$1" != stage ] || put staged yes
    set_profile "$profile" "$3" "$4" || status=$?
    if [ $status = 0 ] && [ "$5" != - ]; then
      mkdir -p "${profile%/*}/system-profiles"
      set_profile "${profile%/*}/system-profiles/$5" "$3" - || status=$?
    fi
    if [ $status = 0 ]; then
      run "$3/bin/switch-to-configuration" boot || status=$?
    fi
    sync
  fi
  if [ $status = 0 ]; then
    [ "$(profile_path)" = "$3" ] && [ "$(boot_default)" = "$3" ] || status=77
    [ "$1" = stage ] || [ "$(current_system)" = "$3" ] || status=77
  fi
  if [ $status = 0 ] && [ "$1" != stage ]; then put state confirmed; fi
  put commit-status "exited $status"
}

# Back to what was found, as the first to decide so. `how`: operator, watchdog, boot.
do_revert() {
  how=$1
  if ! take_lock 5; then
    # Whoever holds it that long hangs: the end of its unit ends its hold.
    run systemctl kill --signal=KILL "$(get commit-unit).service" 2>/dev/null || :
    take_lock 5 || { restart; return; }
  fi
  me=$(unit_name none)
  case $how in
    watchdog) me=$(get watchdog) ;;
    operator) me=$(get revert-unit) ;;
  esac
  case $(get state) in
    confirmed) return ;;
    reverted)
      put revert-status "exited 0"
      return
      ;;
    reverting)
      other=$(get reverter)
      if [ -n "$other" ] && [ "$other" != "$me" ] && is_running "$other"; then return; fi
      ;;
  esac
  put reverter "$me"
  put reverted-by "$how"
  if [ "$how" != operator ]; then
    put revert-status ""
    put revert-unit "$me"
  fi
  put state reverting
  drop_lock
  # Nothing of what went forth goes on.
  for unit in "$(get test-unit)" "$(get commit-unit)"; do
    [ -n "$unit" ] || continue
    run systemctl kill --signal=KILL "$unit.service" 2>/dev/null || :
  done
  # An orphan of it may still be at work.
  if [ -e "$switching" ] && ! flock -w 8 "$switching" true; then
    put revert-status "exited 75"
    [ "$(get reboot)" != yes ] || restart
    return
  fi
  current=$(get from-current)
  set_profile "$profile" "$(get from-profile)" "$(get from-generation)"
  if [ "$(boot_default)" != "$(get from-boot)" ]; then
    "$(get from-boot)/bin/switch-to-configuration" boot
  fi
  sync
  rebooted=no
  [ "$(boot_id)" = "$(get boot-id)" ] || rebooted=yes
  status=0
  if [ $how = boot ] && [ "$(current_system)" != "$current" ]; then
    # Too early for an activation; the boot menu leads back now.
    if [ "$(get restarts)" != 11 ]; then
      put restarts "$(get restarts)1"
      restart
      return
    fi
  fi
  if [ "$(current_system)" != "$current" ] \
    || { [ -n "$(get test-start)" ] && [ $rebooted = no ]; }; then
    timeout --signal=KILL "$(get activation)" "$current/bin/switch-to-configuration" test
    status=$?
    # Units that fail now may have failed before: that is for the checks to judge.
    case $status in 4) status=0 ;; esac
  fi
  if [ $status != 0 ] || [ "$(current_system)" != "$current" ] \
    || [ "$(profile_path)" != "$(get from-profile)" ] || [ "$(boot_default)" != "$(get from-boot)" ]; then
    put revert-status "exited $((status == 0 ? 1 : status))"
    if [ "$(get reboot)" = yes ] && [ $rebooted = no ]; then restart; fi
    return
  fi
  take_lock 5 || :
  put state reverted
  put revert-status "exited 0"
}

watchdog() { # unit
  take_lock 10 || :
  # One that was renewed meanwhile has nothing to say.
  if [ "$(get watchdog)" != "$1" ]; then return; fi
  case $(get state) in
    confirmed | reverted) return ;;
  esac
  put watch-began "$(uptime_ms)"
  drop_lock
  do_revert watchdog
  put watch-done "$(uptime_ms)"
}

# At boot, before the network counts as there: an unsettled record is taken back, or,
# if it is this boot that it waited for, watched on.
guard() {
  [ -e "$record/state" ] || return
  case $(get state) in confirmed | reverted) return ;; esac
  [ "$(get boot-id)" != "$(boot_id)" ] || return
  if [ "$(get state)" = promoting ] && [ "$(get staged)" = yes ] && [ "$(current_system)" = "$(get to)" ]; then
    # The clock of the deadline began anew with this boot.
    watch "$(get staged-watch)"
    return
  fi
  do_revert boot
}

reboot_now() { # boot-id token
  number "$2"
  [ "$(get token)" = "$2" ] || refuse fenced
  [ "$(boot_id)" = "$1" ] || { echo rebooted; echo end; return; }
  echo rebooting
  echo end
  run systemctl --no-block reboot
}

release() { # token
  number "$1"
  take_lock 10 || fail "the record is locked"
  [ "$(get token)" = "$1" ] || refuse fenced
  case $(get state) in
    confirmed | reverted)
      run systemctl stop "$(get watchdog).timer" 2>/dev/null || :
      for unit in "$(get test-unit)" "$(get commit-unit)" "$(get revert-unit)"; do
        [ -z "$unit" ] || run systemctl stop "$unit.service" 2>/dev/null || :
      done
      ;;
    *) refuse "settled $(get state)" ;;
  esac
  echo done
  echo end
}

build() { # derivation
  closure "$1"
  mkdir -p "$roots"
  nix-store --realise "$1" --add-root "$roots/built" --indirect > /dev/null || exit 1
  echo done
  echo end
}

check() { # kind, argument
  case $1 in
    unit)
      case $2 in '' | -* | *[!A-Za-z0-9:_.@\\-]*) fail "no unit: '$2'" ;; esac
      state=$(systemctl is-active "$2")
      [ "$state" = active ] && echo ok || echo "bad $2 is $state"
      ;;
    tcp)
      number "$2"
      port=$(printf '%04X' "$2")
      cat /proc/net/tcp /proc/net/tcp6 2>/dev/null \
        | awk -v port="$port" '$4 == "0A" && $2 ~ ":" port "$" { found = 1 } END { exit !found }' \
        && echo ok || echo "bad nothing listens on port $2"
      ;;
    *) fail "no check: '$1'" ;;
  esac
  echo end
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
  probe) probe ;;
  hold) hold "$@" ;;
  build) build "$@" ;;
  arm) [ $# -eq 13 ] || fail "arm: $# arguments"; arm "$@" ;;
  start) [ $# -eq 9 ] || fail "start: $# arguments"; start "$@" ;;
  await) [ $# -eq 6 ] || fail "await: $# arguments"; await "$@" ;;
  check) [ $# -eq 2 ] || fail "check: $# arguments"; check "$@" ;;
  reboot) reboot_now "$@" ;;
  release) release "$@" ;;
  do-test) do_test "$@" ;;
  do-commit) do_commit commit "$@" ;;
  do-stage) do_commit stage "$@" ;;
  do-confirm) do_commit confirm "$@" ;;
  do-revert) do_revert "$@" ;;
  watchdog) watchdog "$@" ;;
  guard) guard ;;
  *) fail "no verb: '$verb'" ;;
esac
