#!/bin/sh
# Makes the root of a target machine for tests: a Debian with systemd, ssh and Nix,
# marked as a machine that the stand-in may be activated on.
#
#   scripts/testbed/root.sh DIRECTORY
#
# Nothing outside DIRECTORY is changed. Run again on a finished root, it does nothing.
# Needs root, debootstrap and a way to Debian's mirror (DEBIAN_MIRROR names another).
set -eu
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
directory=$1
# The machine's own, unless another one is named.
own=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | head -n 1)
mirror=${DEBIAN_MIRROR:-${own%/}}
[ ! -e "$directory/etc/NIXOS" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "only root can make a root" >&2; exit 2; }
command -v debootstrap > /dev/null || { echo "there is no debootstrap: install it" >&2; exit 2; }

rm -rf "$directory"
debootstrap --variant=minbase \
  --include=systemd,systemd-sysv,dbus,openssh-server,iproute2,procps,sudo \
  bookworm "$directory" "$mirror"
# Nix wants a newer perl than the first point release has.
cat > "$directory/etc/apt/sources.list" <<LIST
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb $mirror-security bookworm-security main
LIST
chroot "$directory" apt-get -qq update
DEBIAN_FRONTEND=noninteractive chroot "$directory" \
  apt-get -qq install --yes --no-install-recommends nix-bin
rm -rf "$directory"/var/cache/apt/archives/*.deb "$directory"/var/lib/apt/lists/*
mkdir -p "$directory/etc/nix"
cat > "$directory/etc/nix/nix.conf" <<CONF
experimental-features = nix-command flakes
substituters =
sandbox = false
build-users-group =
CONF
# Last: it says that the root is finished.
touch "$directory/etc/NIXOS"
