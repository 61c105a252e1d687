#!/bin/bash
# Tries the stand-in's activation on a target with a systemd of its own: exit statuses,
# units, files below /etc, the boot menu over a reset.
#
#   scripts/testbed/activation.sh ROOT
#
# ROOT is made by root.sh; it is the lower layer of an overlay and stays as it is.
# Needs root, systemd-nspawn and Nix. Exit status 1 if anything is not as expected.
set -u
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
lower=$(cd "$1" && pwd) || exit 2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
root=$work/root
machine=
failures=0

finish() {
  [ -z "$machine" ] || { kill -KILL "$(pgrep -P "$machine")" "$machine"; wait "$machine"; } 2>/dev/null
  umount "$root" 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir -p "$root" "$work/upper" "$work/layer"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/layer" "$root" || exit 2

inside() {
  nsenter -t "$(pgrep -P "$machine")" -a -- \
    /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
}
# From off to running, as after a reset.
up() {
  systemd-nspawn -q -D "$root" --register=no --keep-unit -b --private-network \
    --console=pipe --hostname=target < /dev/null > "$work/console" 2>&1 &
  machine=$!
  for _ in $(seq 100); do
    sleep 0.2
    case $(inside systemctl is-system-running 2>/dev/null) in running | degraded) return ;; esac
  done
  echo "the target does not come up:" >&2
  tail "$work/console" >&2
  exit 2
}
reset() {
  kill -KILL "$(pgrep -P "$machine")"
  wait "$machine" 2>/dev/null
  up
}
expect() { # what, expected, found
  if [ "$2" = "$3" ]; then
    echo "ok: $1"
  else
    echo "NOT: $1: expected $2, found $3"
    failures=$((failures + 1))
  fi
}

variants=$(nix-build --no-out-link --option sandbox false "$here/variants.nix" -A base -A changed \
  -A kept -A gone -A check -A snippet -A unit -A restarting -A interface -A grub -A extlinux) || exit 2
names=(base changed kept gone check snippet unit restarting interface grub extlinux)
declare -A system
index=0
for path in $variants; do
  system[${names[$index]}]=$path
  index=$((index + 1))
done
nix copy --no-check-sigs --to "local?root=$root" $variants || exit 2
up

switch() { # variant, action, expected status
  inside "${system[$1]}/bin/switch-to-configuration" "$2" > "$work/log" 2>&1
  expect "$1 $2 ends with $3" "$3" $?
}
said() { expect "and says '$1'" 0 "$(grep -qF "$1" "$work/log"; echo $?)"; }
current() { expect "current system is $1" "${system[$1]}" "$(inside readlink /run/current-system)"; }
state() { expect "$1 is $2" "$2" "$(inside systemctl is-active "$1")"; }

switch base test 0; current base; state steady active
before=$(inside systemctl show -P MainPID steady)
switch base test 0
expect "nothing is restarted without a change" "$before" "$(inside systemctl show -P MainPID steady)"
switch changed dry-activate 0; said "would stop the following units: steady.service"; current base
switch changed test 0; said "stopping the following units: steady.service"; current changed
expect "a file is there" x "$(inside cat /etc/probe.conf)"
switch kept test 0; said "NOT restarting the following changed units: steady.service"
expect "the file is gone" 1 "$(inside test -e /etc/probe.conf; echo $?)"
switch gone test 0; state steady inactive
switch base test 0
switch check test 1; current base
switch snippet test 2; said "Activation script snippet 'bad' failed"
switch base test 0
switch unit test 4; said "warning: the following units failed: broken.service"
switch base test 0
switch restarting test 4
switch base test 0
switch interface test 100; current base
switch base nonsense 1
inside flock /run/nixos/switch-to-configuration.lock sleep 2 &
sleep 0.5
switch base test 1; said "Could not acquire lock"
wait $!
inside mv /etc/NIXOS /etc/NIXOS.not
switch base test 1; said "This is not a NixOS installation"
inside mv /etc/NIXOS.not /etc/NIXOS

# What was only tried is gone after a reset, what was switched to stays.
profile() { inside nix-env -p /nix/var/nix/profiles/system --set "${system[$1]}" 2>/dev/null; }
for loader in base grub extlinux; do
  profile $loader
  switch $loader boot 0
  switch changed test 0; current changed
  reset
  current $loader
  expect "and was booted" "${system[$loader]}" "$(inside readlink /run/booted-system)"
done
profile changed
switch changed switch 0
reset
current changed; state steady active

echo "$failures not as expected"
[ "$failures" = 0 ]
