#!/bin/sh
# Free the disk when less than the given share (percent) of it is left.
set -eu
limit="$1"
free=$(df --output=pcent /nix/store | tail -n1 | tr -dc 0-9)
if [ $((100 - free)) -lt "$limit" ]; then
  nix-collect-garbage --delete-older-than 2d
  podman system prune --force
fi
