#!/bin/bash
# Keeps the model of a boot menu: the files that the real boot loader of the host
# would have, below /boot, and a unit that does at boot what firmware and loader do:
# it looks up the default entry and activates that system.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
default=$1
loader=@loader@
profiles=/nix/var/nix/profiles

# Written beside and moved into place: a reset finds the old file or the new one.
put() {
  mkdir -p "$(dirname "$1")"
  cat > "$1.new"
  sync "$1.new"
  mv "$1.new" "$1"
}
generations() { # number and path of every generation, oldest first
  for link in "$profiles"/system-*-link; do
    [ -L "$link" ] || continue
    number=${link%-link}
    echo "${number##*system-} $(readlink -f "$link")"
  done | sort -n
  for link in "$profiles"/system-profiles/*; do
    case $link in
      *-link | *'*') ;;
      *) echo "$(basename "$link") $(readlink -f "$link")" ;;
    esac
  done
}

case $loader in
  systemd-boot)
    entries=/boot/loader/entries
    mkdir -p "$entries"
    rm -f "$entries"/nixos-*.conf.old
    chosen=
    generations > /boot/loader/.generations
    while read -r number path; do
      put "$entries/nixos-generation-$number.conf" <<ENTRY
title NixOS
version Generation $number
linux $path/kernel
initrd $path/initrd
options init=$path/init $(cat "$path/kernel-params")
ENTRY
      if [ "$path" = "$default" ]; then chosen=nixos-generation-$number.conf; fi
    done < /boot/loader/.generations
    for entry in "$entries"/nixos-generation-*.conf; do
      number=${entry##*nixos-generation-}
      grep -q "^${number%.conf} " /boot/loader/.generations || rm -f "$entry"
    done
    # A system that is no generation cannot be the default: the old one stays.
    if [ -n "$chosen" ]; then
      printf 'timeout 5\ndefault %s\n' "$chosen" | put /boot/loader/loader.conf
    fi
    ;;
  grub)
    {
      echo 'set default=0'
      echo 'set timeout=5'
      { echo "default $default"; generations | sort -rn; } | while read -r number path; do
        if [ "$number" = default ]; then title="NixOS"; else title="NixOS - Configuration $number"; fi
        printf 'menuentry "%s" {\n  linux %s/kernel init=%s/init %s\n  initrd %s/initrd\n}\n' \
          "$title" "$path" "$path" "$(cat "$path/kernel-params")" "$path"
      done
    } | put /boot/grub/grub.cfg
    ;;
  extlinux)
    {
      printf 'DEFAULT nixos-default\nTIMEOUT 50\n'
      { echo "default $default"; generations | sort -rn; } | while read -r number path; do
        printf '\nLABEL nixos-%s\n  MENU LABEL NixOS\n  LINUX %s/kernel\n  INITRD %s/initrd\n  APPEND init=%s/init %s\n' \
          "$number" "$path" "$path" "$path" "$(cat "$path/kernel-params")"
      done
    } | put /boot/extlinux/extlinux.conf
    ;;
  none) exit 0 ;;
esac

echo "$loader" | put /boot/standin/loader
put /boot/standin/boot <<'BOOT'
#!/bin/bash
# Stands for firmware, boot loader and first stage: activates the default entry.
entry=
loader=$(cat /boot/standin/loader)
if [ "$loader" = systemd-boot ]; then
  name=$(sed -n 's/^default //p' /boot/loader/loader.conf)
  entry=$(sed -n 's|^options init=\([^ ]*\)/init.*|\1|p' "/boot/loader/entries/$name")
elif [ "$loader" = grub ]; then
  entry=$(sed -n 's|.* init=\([^ ]*\)/init.*|\1|p' /boot/grub/grub.cfg | head -n 1)
elif [ "$loader" = extlinux ]; then
  label=$(sed -n 's/^DEFAULT //p' /boot/extlinux/extlinux.conf)
  entry=$(sed -n "/^LABEL $label\$/,/^\$/s|.* init=\([^ ]*\)/init.*|\1|p" /boot/extlinux/extlinux.conf)
fi
if [ ! -x "$entry/activate" ]; then
  echo "no default entry that could be started: '$entry'" >&2
  exit 1
fi
ln -sfn "$entry" /run/booted-system
"$entry/activate"
status=$?
systemctl daemon-reload
systemctl start --no-block multi-user.target timers.target sockets.target paths.target
exit $status
BOOT
chmod +x /boot/standin/boot
put /etc/systemd/system/standin-boot.service <<'UNIT'
[Unit]
Description=Activate the default entry of the boot menu
DefaultDependencies=no
After=local-fs.target
Before=basic.target
RequiresMountsFor=/nix /boot

[Service]
Type=oneshot
RemainAfterExit=true
ExecStart=/boot/standin/boot
UNIT
mkdir -p /etc/systemd/system/basic.target.wants
ln -sf ../standin-boot.service /etc/systemd/system/basic.target.wants/
