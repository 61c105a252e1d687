#!/bin/sh
# Makes @out@ the current system (or, when called dry-activate, says what would be
# done): accounts, files below /etc, the host's own snippets, /run/current-system.
#
# The machine may be a Debian: files below /etc that are not ours stay as they are.
systemConfig=@out@
action=@action@
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$systemConfig/sw/bin
status=0

# Runs what comes on its standard input, in a shell of its own in which no failure
# goes unseen (where there is no bash, what follows a failure is not run).
snippet() {
  text=$(cat)
  if bash -c 'trap : ERR' 2>/dev/null; then
    bash -c "trap 'failed=1' ERR; failed=0
$text
exit \$failed" "$1" </dev/null
  else
    sh -ec "$text" "$1" </dev/null
  fi
  code=$?
  if [ $code -ne 0 ]; then
    echo "Activation script snippet '$1' failed ($code)" >&2
    status=1
  fi
}
export systemConfig NIXOS_ACTION

if [ "$action" = dry-activate ]; then
  :
@snippets@
  exit $status
fi

mkdir -p /run /etc /nix/var/nix/gcroots

# Accounts and groups that are not there yet.
if command -v groupadd >/dev/null && command -v useradd >/dev/null; then
  while IFS=: read -r name gid; do
    grep -q "^$name:" /etc/group || groupadd ${gid:+-o -g "$gid"} "$name" || status=1
  done < "$systemConfig/etc/standin/groups"
  while IFS=: read -r name uid group groups home; do
    grep -q "^$name:" /etc/passwd && continue
    set -- -M -d "$home" -s /bin/bash
    if [ -n "$uid" ]; then set -- "$@" -o -u "$uid"; else set -- "$@" -r; fi
    if [ -n "$group" ] && grep -q "^$group:" /etc/group; then
      set -- "$@" -g "$group"
    else
      set -- "$@" -N
    fi
    useradd "$@" "$name" || status=1
    IFS=,
    for more in $groups; do
      ! grep -q "^$more:" /etc/group || usermod -aG "$more" "$name" || status=1
    done
    unset IFS
  done < "$systemConfig/etc/standin/users"
fi

# Files below /etc: links through /etc/static, which one rename moves to another system.
ln -sfn "$systemConfig/etc" /etc/.static.new && mv -T /etc/.static.new /etc/static || status=1
( cd "$systemConfig/etc" && find -L . -type f ) | sed 's|^\./||' | sort > /etc/.standin-files.new
while read -r name; do
  target=/etc/$name
  # A link of ours leads on to this system already; what is not ours stays.
  if [ -L "$target" ] || [ -e "$target" ]; then continue; fi
  mkdir -p "$(dirname "$target")" && ln -s "/etc/static/$name" "$target" || status=1
done < /etc/.standin-files.new
if [ -e /etc/.standin-files ]; then
  comm -23 /etc/.standin-files /etc/.standin-files.new | while read -r name; do
    case $(readlink "/etc/$name") in
      /etc/static/*) rm -f "/etc/$name"; rmdir -p --ignore-fail-on-non-empty "$(dirname "/etc/$name")" ;;
    esac
  done
fi
mv /etc/.standin-files.new /etc/.standin-files
# What is to be a copy and no link.
while read -r mode user group name; do
  target=/etc/$name
  if [ -L "$target" ] || grep -qxF "$name" /etc/.standin-copies 2>/dev/null; then
    cp --remove-destination -L "/etc/static/$name" "$target" && chmod "$mode" "$target" \
      && chown "${user#+}:${group#+}" "$target" || status=1
    echo "$name" >> /etc/.standin-copies.new
  fi
done < "$systemConfig/etc-modes"
if [ -e /etc/.standin-copies.new ]; then mv /etc/.standin-copies.new /etc/.standin-copies; fi

:
@snippets@

# The name of the system in use, changed last and in one step.
ln -sfn "$systemConfig" /run/.current-system.new && mv -T /run/.current-system.new /run/current-system || status=1
ln -sfn /run/current-system /nix/var/nix/gcroots/current-system

exit $status
