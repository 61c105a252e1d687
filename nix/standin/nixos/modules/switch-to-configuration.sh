#!/bin/bash
# Makes @out@ the running system, the one that is booted, or both.
#
# Exit status: 0 done; 1 refused, or a check or the boot loader failed; 2 the
# activation failed; 3 systemd or its temporary files did not reload; 4 units failed;
# 100 the way systems are started changed, so only a reboot gets there.
toplevel=@out@
action=${1:-}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

case $action in
  switch | boot | test | dry-activate | check) ;;
  *)
    echo "Usage: $(basename "$0") [check|switch|boot|test|dry-activate]" >&2
    echo "  check         only the checks that come before everything else" >&2
    echo "  switch        both boot and test" >&2
    echo "  boot          boot this system from now on" >&2
    echo "  test          run this system until the next boot" >&2
    echo "  dry-activate  only say what test would do" >&2
    exit 1
    ;;
esac
if [ ! -e /etc/NIXOS ]; then
  echo "This is not a NixOS installation!" >&2
  exit 1
fi
export NIXOS_ACTION=$action

mkdir -p /run/nixos
exec 9> /run/nixos/switch-to-configuration.lock
if ! flock -n 9; then
  echo "Could not acquire lock" >&2
  exit 1
fi
# Nothing that is started from here keeps the lock.
run() { "$@" 9>&-; }

if [ "${NIXOS_NO_CHECK:-}" = "" ] && [ "$action" != dry-activate ]; then
  if ! run "$toplevel/pre-switch-checks" "$(readlink -f /run/current-system)" "$toplevel"; then
    echo "Pre-switch checks failed" >&2
    exit 1
  fi
fi
[ "$action" != check ] || exit 0

if [ "$action" = switch ] || [ "$action" = boot ]; then
  if ! run "$toplevel/install-boot-loader" "$toplevel"; then
    echo "Failed to install bootloader" >&2
    exit 1
  fi
  sync
fi
[ "$action" != boot ] || exit 0

old=$(readlink -f /run/current-system)
oldVersion=$(cat "$old/init-interface-version" 2>/dev/null)
newVersion=$(cat "$toplevel/init-interface-version")
if [ -z "${NIXOS_NO_CHECK:-}" ] && [ -n "$oldVersion" ] && [ "$oldVersion" != "$newVersion" ]; then
  echo "Warning: this system is started in another way than the running one (init interface '$newVersion', not '$oldVersion'): it takes a reboot to get there." >&2
  exit 100
fi

# Not below /tmp, which the rules for temporary files may empty.
state=$(mktemp -d /run/nixos/switch.XXXXXX)
trap 'rm -rf "$state"' EXIT
for list in stop restart reload start skip; do : > "$state/$list"; done
units() {
  run systemctl list-units --all --plain --no-legend --no-pager | awk '{ print $1, $3, $4 }' | sort
}
units > "$state/before"
active() { grep -qE "^$(printf '%s' "$1" | sed 's/[][\.*^$+?(){}|]/\\&/g') (active|activating|reloading) " "$state/before"; }
setting() { grep -qiE "^$2=(true|yes|1|on)\$" "$1"; }
unset_() { grep -qiE "^$2=(false|no|0|off)\$" "$1"; }

for file in "$old"/etc/systemd/system/*; do
  unit=$(basename "$file")
  new=$toplevel/etc/systemd/system/$unit
  [ -f "$file" ] && active "$unit" || continue
  if [ ! -e "$new" ]; then
    if [ "${unit##*.}" != target ]; then echo "$unit" >> "$state/stop"; fi
  elif ! cmp -s "$file" "$new"; then
    case $unit in
      *.target | *.slice) ;;
      *.mount) echo "$unit" >> "$state/reload" ;;
      *.service)
        if setting "$new" X-ReloadIfChanged; then
          echo "$unit" >> "$state/reload"
        elif unset_ "$new" X-RestartIfChanged || setting "$new" RefuseManualStop; then
          echo "$unit" >> "$state/skip"
        elif unset_ "$new" X-StopIfChanged; then
          echo "$unit" >> "$state/restart"
        else
          echo "$unit" >> "$state/stop"
          echo "$unit" >> "$state/start"
        fi
        ;;
      *)
        echo "$unit" >> "$state/stop"
        echo "$unit" >> "$state/start"
        ;;
    esac
  fi
done
# Targets are started again, which starts whatever they want by now.
targets="multi-user.target timers.target sockets.target paths.target"
say() { # what, list
  if [ -s "$state/$2" ]; then echo "$1: $(paste -sd, "$state/$2" | sed 's/,/, /g')" >&2; fi
}

if [ "$action" = dry-activate ]; then
  say "would stop the following units" stop
  say "would NOT stop the following changed units" skip
  echo "would activate the configuration..." >&2
  run "$toplevel/dry-activate" || exit 2
  say "would reload the following units" reload
  say "would restart the following units" restart
  say "would start the following units" start
  exit 0
fi

if command -v logger >/dev/null; then run logger -t nixos "switching to system configuration $toplevel" || true; fi
if [ -s "$state/stop" ]; then
  say "stopping the following units" stop
  run xargs -r systemctl stop -- < "$state/stop"
fi
say "NOT restarting the following changed units" skip

result=0
echo "activating the configuration..." >&2
run "$toplevel/activate" "$toplevel" || result=2
run systemctl daemon-reload || result=3
run systemd-tmpfiles --create --remove --exclude-prefix=/dev
case $? in
  0 | 65 | 73) ;;
  *) result=3 ;;
esac
if [ -s "$state/reload" ]; then
  say "reloading the following units" reload
  run xargs -r systemctl reload -- < "$state/reload" || result=4
fi
if [ -s "$state/restart" ]; then
  say "restarting the following units" restart
  run xargs -r systemctl restart -- < "$state/restart" || result=4
fi
say "starting the following units" start
run systemctl start -- $(cat "$state/start") $targets || result=4
# What a target wants is started beside it: wait until nothing is left to do but what
# this is a part of.
own=$(sed -n 's|.*/\([^/]*\.service\)\(/.*\)\{0,1\}$|\1|p' /proc/self/cgroup | tail -n 1)
for _ in $(seq 150); do
  if run systemctl list-jobs --no-legend --no-pager \
    | awk -v own="$own" '$2 != own && ($4 == "running" || $4 == "waiting")' | grep -q .; then
    sleep 0.2
  else
    break
  fi
done

units > "$state/after"
join -a 2 -e missing -o 0,1.2,1.3,2.2,2.3 "$state/before" "$state/after" > "$state/changes"
awk '$4 == "failed" && $2 != "failed" || $5 == "auto-restart" && $3 != "auto-restart" { print $1 }' "$state/changes" > "$state/failed"
awk '($4 == "active") && $2 != "active" && $1 ~ /\.(service|socket|timer|mount|path)$/ { print $1 }' "$state/changes" \
  | grep -vxF -f "$state/start" > "$state/new"
say "the following new units were started" new
if [ -s "$state/failed" ]; then
  say "warning: the following units failed" failed
  run xargs -r systemctl status --no-pager --full -- < "$state/failed" >&2
  result=4
fi
exit $result
