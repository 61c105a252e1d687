#!/bin/bash
# Runs a command in a network in which hosts of this fleet are machines: containers
# that first run a small system of the stand-in, at the addresses of their host.toml.
#
#   scripts/testbed/machines.sh ROOT HOST... -- COMMAND...
#
# ROOT is made by root.sh; it is the lower layer of overlays and stays as it is. The
# command finds a configuration of ssh at $FLEET_SSH_CONFIG. Everything is gone when
# it has ended. Needs root, systemd-nspawn, iproute2 and Nix. For example:
#
#   scripts/testbed/machines.sh ROOT drydock helm porthole-lobby -- \
#     sh -c 'cargo xtask rollout --stage 1 --offline --yes --ssh-config $FLEET_SSH_CONFIG'
set -u
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
[ $# -ge 4 ] || usage
lower=$(cd "$1" && pwd) || exit 2
shift
hosts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  hosts+=("$1")
  shift
done
[ $# -gt 1 ] || usage
shift
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
network=fleet-$$
machines=()
# Control groups of a machine's own, below ours: two service managers in one would take
# each other's services away.
groups() { # machine
  local place kind options own
  while read -r place kind options; do
    case $kind:$options in
      cgroup2:*) own=$(sed -n 's/^0:://p' /proc/self/cgroup) ;;
      cgroup:*name=systemd*) own=$(sed -n 's/^[0-9]*:name=systemd://p' /proc/self/cgroup) ;;
      *) continue ;;
    esac
    echo "$place$own/$1"
  done < <(awk '{ print $2, $3, $4 }' /proc/mounts)
}
children() { cat "/proc/$1/task/$1/children" 2>/dev/null; }
finish() {
  # Each runs in a shell that would start it again.
  for shell in "${machines[@]}"; do
    container=$(children "$shell")
    kill -KILL "$shell" 2>/dev/null
    for pid in $container; do
      kill -KILL $(children "$pid") 2>/dev/null
      for _ in $(seq 50); do [ -e "/proc/$pid" ] && sleep 0.1 || break; done
      kill -KILL "$pid" 2>/dev/null
    done
  done
  for host in "${hosts[@]}"; do
    umount "$work/$host/root" 2>/dev/null
    ip netns del "$network-$host" 2>/dev/null
    groups "$network-$host" | while read -r group; do
      find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
    done
  done
  ip netns del "$network" 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
setting() { sed -n "s/^$1 = \"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$here/hosts/$2/host.toml" | head -n 1; }

system=$(nix-build --no-out-link --option sandbox false "$here/scripts/testbed/variants.nix" -A base) || exit 2
ssh-keygen -q -t ed25519 -N '' -f "$work/key" || exit 2
export FLEET_SSH_CONFIG=$work/ssh_config
cat > "$FLEET_SSH_CONFIG" <<CONFIG
Host *
  IdentityFile $work/key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
CONFIG
ip netns add "$network" && ip -n "$network" link set lo up \
  && ip -n "$network" link add br0 type bridge forward_delay 0 \
  && ip -n "$network" link set br0 up || exit 2
sudoers=$(cd "$here" && ${FLEET_TOOL:-cargo xtask} rollout sudoers --offline --nix-bin /usr/bin) || exit 2

count=0
for host in "${hosts[@]}"; do
  count=$((count + 1))
  root=$work/$host/root
  mkdir -p "$root" "$work/$host/upper" "$work/$host/layer"
  mount -t overlay overlay \
    -o "lowerdir=$lower,upperdir=$work/$host/upper,workdir=$work/$host/layer" "$root" || exit 2
  user=$(setting user "$host")
  if [ "$user" != root ]; then
    chroot "$root" useradd -m -s /bin/bash "$user"
    echo "$sudoers" > "$root/etc/sudoers.d/rollout"
  fi
  home=$(chroot "$root" sh -c "echo ~$user")
  mkdir -p "$root$home/.ssh"
  cp "$work/key.pub" "$root$home/.ssh/authorized_keys"
  chroot "$root" chown -R "$user:" "$home/.ssh"
  echo "extra-platforms = aarch64-linux" >> "$root/etc/nix/nix.conf"
  nix copy --no-check-sigs --to "local?root=$root" "$system" 2>/dev/null || exit 2
  address=$(setting host "$host")
  ip netns add "$network-$host"
  ip -n "$network" link add "v$count" type veth peer name host0 netns "$network-$host"
  ip -n "$network" link set "v$count" master br0 up
  ip -n "$network" addr replace "${address%.*}.254/24" dev br0
  ip -n "$network-$host" link set lo up
  ip -n "$network-$host" addr add "$address/24" dev host0
  ip -n "$network-$host" link set host0 up
  # A reboot ends the container: it is started again, as firmware does.
  own=$(groups "$network-$host")
  ( for group in $own; do
      mkdir -p "$group" && echo $BASHPID > "$group/cgroup.procs"
    done 2>/dev/null
    while :; do
      systemd-nspawn -q -D "$root" --register=no --keep-unit -b --console=pipe --hostname=target \
        --network-namespace-path="/run/netns/$network-$host" < /dev/null
      [ $? = 133 ] || break
    done ) > "$work/$host/console" 2>&1 &
  shell=$!
  disown "$shell"
  machines+=("$shell")
  inside() {
    local container leader
    container=$(children "$shell")
    leader=$(children "${container%% *}")
    nsenter -t "${leader%% *}" -a -- /usr/bin/env -i \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
  }
  for _ in $(seq 100); do
    sleep 0.2
    case $(inside systemctl is-system-running 2>/dev/null) in running | degraded) break ;; esac
  done
  inside nix-env -p /nix/var/nix/profiles/system --set "$system" 2>/dev/null
  inside "$system/bin/switch-to-configuration" switch > "$work/$host/log" 2>&1 \
    || { cat "$work/$host/log" >&2; exit 2; }
done
ip netns exec "$network" "$@"
