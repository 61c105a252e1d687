# Every host as a job, for builders beyond one machine (Hydra, nix-eval-jobs).
{ self, ... }: builtins.mapAttrs (_: host: host.config.system.build.toplevel) self.nixosConfigurations
