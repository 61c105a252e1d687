# Who always gets the same address: hardware address, address, name.
let
  reserve = hw-address: ip-address: hostname: { inherit hw-address ip-address hostname; };
in
[
  (reserve "02:00:5e:00:53:0a" "192.0.2.10" "watchtower")
  (reserve "02:00:5e:00:53:0b" "192.0.2.11" "quay")
  (reserve "02:00:5e:00:53:0c" "192.0.2.12" "loom")
  (reserve "02:00:5e:00:53:0d" "192.0.2.13" "drydock")
  (reserve "02:00:5e:00:53:0e" "192.0.2.14" "anvil")
  (reserve "02:00:5e:00:53:0f" "192.0.2.15" "bellows")
  (reserve "02:00:5e:00:53:14" "192.0.2.20" "silo")
  (reserve "02:00:5e:00:53:15" "192.0.2.21" "attic")
  (reserve "02:00:5e:00:53:1e" "192.0.2.30" "inkwell")
  (reserve "02:00:5e:00:53:29" "192.0.2.41" "porthole-lobby")
  (reserve "02:00:5e:00:53:2a" "192.0.2.42" "porthole-workshop")
  (reserve "02:00:5e:00:53:2b" "192.0.2.43" "porthole-canteen")
  (reserve "02:00:5e:00:53:3d" "192.0.2.61" "helm")
  (reserve "02:00:5e:00:53:3e" "192.0.2.62" "sextant")
]
