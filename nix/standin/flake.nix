{
  description = "An offline stand-in for nixpkgs, nixinate, secrix and nixos-hardware";

  outputs = { self }: import ./outputs.nix { source = self.outPath; };
}
