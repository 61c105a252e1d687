#!/bin/sh
# Sets up a Nix of another Debian release beside the machine's own, for tests that run
# with an old and a current one.
#
#   scripts/testbed/nix.sh RELEASE DIRECTORY
#
# RELEASE is a suite of Debian ("trixie", "sid"). Afterwards DIRECTORY/bin/nix is that
# release's Nix; it shares the store and the configuration of the machine. Nothing
# outside DIRECTORY is changed. Run again, it does nothing. Needs apt-get, dpkg,
# patchelf and a way to Debian's mirror (DEBIAN_MIRROR names another one).
set -eu
[ $# -eq 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
release=$1
mkdir -p "$2"
directory=$(cd "$2" && pwd)
# The machine's own, unless another one is named.
own=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | head -n 1)
mirror=${DEBIAN_MIRROR:-${own%/}}
[ ! -x "$directory/bin/nix" ] || exit 0
for tool in apt-get dpkg patchelf; do
  command -v $tool > /dev/null || { echo "there is no $tool: install it" >&2; exit 2; }
done

# An apt of its own, which knows of nothing that is installed.
apt=$directory/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/empty"
: > "$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" > "$apt/sources.list"
get() {
  apt-get -qq \
    -oDir::State::Lists="$apt/lists" -oDir::State::status="$apt/status" \
    -oDir::Cache="$apt/cache" -oDir::Etc::SourceList="$apt/sources.list" \
    -oDir::Etc::SourceParts="$apt/empty" -oDir::Etc::PreferencesParts="$apt/empty" \
    -oAPT::Sandbox::User=root -oAcquire::Languages=none "$@"
}
get update
get install --yes --no-install-recommends --download-only nix-bin

root=$directory/root
rm -rf "$root"
mkdir -p "$root"
for package in "$apt"/cache/archives/*.deb; do dpkg -x "$package" "$root"; done

# Programs are pointed at the loader and the libraries that they came with: started
# through the loader instead, Nix does not find itself for its build hook.
loader=$(find "$root" -name 'ld-linux*.so.*' | head -n 1)
libraries=$(find "$root" -name '*.so*' -exec dirname {} + | sort -u | paste -sd:)
nix=$root/usr/bin/nix
patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$nix"
mkdir -p "$directory/bin"
for name in nix nix-build nix-collect-garbage nix-copy-closure nix-daemon nix-env nix-hash nix-instantiate nix-prefetch-url nix-shell nix-store; do
  ln -sfn "$nix" "$directory/bin/$name"
done
rm -rf "$apt"
"$directory/bin/nix" --version
