#!/bin/sh
# Fetches a Debian kernel for the virtual machines of the stand-in, where the machine
# itself has none (in a container, say).
#
#   eval "$(scripts/testbed/kernel.sh DIRECTORY)"
#
# Prints the variables that the machines' scripts read. Nothing outside DIRECTORY is
# changed. Needs apt-get with package lists, dpkg and a static busybox.
set -eu
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
mkdir -p "$1"
directory=$(cd "$1" && pwd)
architecture=$(dpkg --print-architecture)
if [ ! -e "$directory/done" ]; then
  package=$(apt-cache depends "linux-image-cloud-$architecture" | awk '/Depends: linux-image/ { print $2; exit }')
  [ -n "$package" ] || { echo "apt-get knows no kernel: run apt-get update" >&2; exit 2; }
  ( cd "$directory" && rm -f ./*.deb && apt-get -qq -oAPT::Sandbox::User=root download "$package" )
  dpkg -x "$directory"/*.deb "$directory/root"
  rm "$directory"/*.deb
  release=$(ls "$directory/root/lib/modules")
  busybox depmod -b "$directory/root" "$release"
  touch "$directory/done"
fi
release=$(ls "$directory/root/lib/modules")
echo "export FLEET_VM_KERNEL='$directory/root/boot/vmlinuz-$release'"
echo "export FLEET_VM_MODULES='$directory/root/lib/modules/$release'"
