# Systems by kind.
{ lib }:
rec {
  linux = [
    "aarch64-linux"
    "armv7l-linux"
    "i686-linux"
    "riscv64-linux"
    "x86_64-linux"
  ];
  darwin = [
    "aarch64-darwin"
    "x86_64-darwin"
  ];
  unix = linux ++ darwin;
  all = unix;
  none = [ ];
}
