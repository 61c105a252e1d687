#!/bin/bash
# Boots the stand-in of @hostName@ in QEMU; the console is standard output.
#
# The kernel is the newest of this machine, or what these say:
#   FLEET_VM_KERNEL   the image
#   FLEET_VM_MODULES  the directory of its modules (lib/modules/VERSION)
#   FLEET_VM_BUSYBOX  a busybox that is linked statically
#   FLEET_VM_ACCEL    "kvm" where that works
# As with the real one: QEMU_NET_OPTS (`hostfwd=tcp:127.0.0.1:8022-:22`, …),
# QEMU_KERNEL_PARAMS and QEMU_OPTS add to what QEMU and the kernel are told.
#
# It has the architecture of the machine that it runs on, not that of the host.
set -eu
toplevel=@toplevel@

fail() {
  echo "run-@hostName@-vm: $1" >&2
  exit 1
}
machine=$(uname -m)
qemu=qemu-system-$machine
command -v "$qemu" >/dev/null || fail "there is no $qemu: install it, or leave out the test in a VM"
command -v cpio >/dev/null || fail "there is no cpio: install it"

kernel=${FLEET_VM_KERNEL:-$(ls -v /boot/vmlinuz-* 2>/dev/null | tail -n 1)}
[ -r "$kernel" ] || fail "there is no kernel: set FLEET_VM_KERNEL"
modules=${FLEET_VM_MODULES:-/lib/modules/${kernel##*/vmlinuz-}}
[ -d "$modules/kernel" ] || fail "$modules holds no modules of $kernel: set FLEET_VM_MODULES"
busybox=${FLEET_VM_BUSYBOX:-$(command -v busybox || true)}
[ -x "$busybox" ] || fail "there is no busybox: install busybox-static or set FLEET_VM_BUSYBOX"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,dev,etc,nix/store,proc,run,sys,tmp,var}
cp "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp @init@ "$root/init"
# The whole system, which is small, is part of what is loaded: no disk, no share.
while read -r path; do cp -a "$path" "$root/nix/store/"; done < @closure@

# The modules that it cannot start without, and those that the host wants first, each
# with what it depends on. The order of modules.dep, turned around, is that of loading.
release=$(basename "$modules")
: > "$work/modules"
add() {
  local line file
  line=$(grep -E "(^|/)$(echo "$1" | sed 's/[-_]/[-_]/g')\.ko[^:]*:" "$modules/modules.dep" || true)
  [ -n "$line" ] || return 0
  file=${line%%:*}
  for dependency in ${line#*:}; do echo "$dependency"; done | tac >> "$work/modules"
  echo "$file" >> "$work/modules"
}
# A kernel that was only unpacked has no list of what depends on what.
[ -e "$modules/modules.dep" ] || "$busybox" depmod -b "${modules%/lib/modules/*}" "$release" 2>/dev/null \
  || fail "$modules has no modules.dep: run depmod"
for module in virtio_pci virtio_net @modules@; do add "$module"; done
mkdir -p "$root/modules"
awk '!seen[$0]++' "$work/modules" | while read -r file; do
  target=$root/modules/$(basename "$file")
  case $file in
    *.xz) xz -dc "$modules/$file" > "${target%.xz}" ;;
    *.zst) zstd -qdc "$modules/$file" > "${target%.zst}" ;;
    *.gz) gzip -dc "$modules/$file" > "${target%.gz}" ;;
    *) cp "$modules/$file" "$target" ;;
  esac
  basename "$file" | sed 's/\.\(xz\|zst\|gz\)$//' >> "$root/modules/order"
done
( cd "$root" && find . | cpio --quiet -o -H newc ) | gzip -1 > "$work/initrd"

case $machine in
  x86_64) options="-machine q35"; console=ttyS0 ;;
  *) options="-machine virt -cpu max"; console=ttyAMA0 ;;
esac
# no_timer_check: on a busy computer an emulated timer looks broken, and Linux panics.
# Emulated unless asked otherwise: what is booted is small, and /dev/kvm is there on
# machines where it does not work.
[ "${FLEET_VM_ACCEL:-tcg}" = tcg ] || options="$options -accel $FLEET_VM_ACCEL -cpu host"
# Killed without a word, the script takes the machine with it all the same.
leash=
command -v setpriv >/dev/null && leash="setpriv --pdeathsig KILL"
$leash "$qemu" $options -m 384 -nographic -no-reboot -nodefaults \
  -chardev stdio,id=console,signal=off -serial chardev:console \
  -kernel "$kernel" -initrd "$work/initrd" \
  -append "console=$console panic=-1 quiet no_timer_check init=$toplevel/init @kernelParams@ ${QEMU_KERNEL_PARAMS:-}" \
  -netdev "user,id=net${QEMU_NET_OPTS:+,$QEMU_NET_OPTS}" -device virtio-net-pci,netdev=net,romfile= \
  ${QEMU_OPTS:-} &
child=$!
# Whoever ends the script ends the machine.
trap 'kill $child 2>/dev/null; wait $child 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
wait $child
