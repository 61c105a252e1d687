#!/bin/sh
# The first program of the virtual machine: loads what it was given, activates the
# system, starts the units that multi-user.target wants, and says so on the console as
# a real system does. Whatever fails stops the boot.
export PATH=/bin:/usr/bin:/sbin:/usr/sbin
/bin/busybox mkdir -p /usr/bin /sbin /usr/sbin
/bin/busybox --install -s
printf '#!/bin/sh\nexec /bin/sh "$@"\n' > /bin/bash
chmod +x /bin/bash

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run

stop() {
  echo "[FAILED] $1"
  echo "An error occurred in stage 1 or 2 of the boot process, which must not happen."
  echo "The boot cannot go on."
  sync
  poweroff -f
  exit 1
}

if [ -e /modules/order ]; then
  while read -r module; do insmod "/modules/$module" || stop "Failed to load $module"; done < /modules/order
fi

system=
for word in $(cat /proc/cmdline); do
  case $word in init=*) system=${word#init=}; system=${system%/init} ;; esac
done
[ -x "$system/activate" ] || stop "There is no system at '$system'"
echo
echo "<<< NixOS stage 2: $system >>>"
echo root:x:0:0:root:/root:/bin/sh > /etc/passwd
echo root:x:0: > /etc/group
touch /etc/NIXOS
ln -sfn "$system" /run/booted-system
"$system/activate" || stop "Activation failed"
hostname "$(cat /etc/hostname)"

ip link set lo up
ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2

# ---- units ---------------------------------------------------------------------
units=/etc/systemd/system
mkdir -p /run/units
values() { sed -n "s/^$2=//p" "$units/$1"; }
start() {
  unit=$1
  [ -e "$units/$unit" ] || return 0
  [ ! -e "/run/units/$unit" ] || return 0
  : > "/run/units/$unit"
  for need in $(values "$1" Requires) $(values "$1" Wants); do
    case $need in *.service) start "$need" || return 1 ;; esac
  done
  unit=$1
  case $unit in *.service) ;; *) return 0 ;; esac
  {
    values "$unit" Environment | sed 's/^/export /'
    values "$unit" ExecStartPre
    # A leading sign says how failures count; what it runs is the rest.
    values "$unit" ExecStart | sed 's/^[-@:+!]*//'
  } > "/run/units/$unit.run"
  if [ "$(values "$unit" Type)" = oneshot ]; then
    sh -e "/run/units/$unit.run" < /dev/null
  else
    sh -e "/run/units/$unit.run" < /dev/null &
    child=$!
    sleep 0.1
    kill -0 $child 2>/dev/null
  fi
  if [ $? -ne 0 ]; then
    echo "[FAILED] Failed to start $unit"
    return 1
  fi
  echo "[  OK  ] Started $unit"
}
for unit in "$units"/multi-user.target.wants/*; do
  [ -L "$unit" ] || continue
  start "$(basename "$unit")" || failed="$failed $(basename "$unit")"
done
[ -z "$failed" ] || stop "Units failed:$failed"
echo "[  OK  ] Reached target multi-user.target"
echo
echo "<<< Welcome to NixOS (offline stand-in) >>>"
echo
echo "$(hostname) login: "
while :; do wait; sleep 3600; done
