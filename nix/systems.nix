# The architectures that the fleet runs on.
[
  "aarch64-linux"
  "x86_64-linux"
]
