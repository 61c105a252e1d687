{
  description = "The machines of the Harbour workshop";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    # Hosts see this one only as the module argument `unstable`.
    nixpkgs-unstable.url = "github:NixOS/nixpkgs/nixos-unstable";
    nixos-hardware = {
      url = "github:NixOS/nixos-hardware";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    nixinate = {
      url = "github:matthewcroughan/nixinate";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    secrix = {
      url = "github:Platonic-Systems/secrix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs = inputs: {
    nixosConfigurations = import ./nix/hosts.nix inputs;
    apps = import ./nix/apps.nix inputs;
    checks = import ./nix/checks.nix inputs;
    packages = import ./nix/packages.nix inputs;
    hydraJobs = import ./nix/hydraJobs.nix inputs;
    devShells = import ./nix/devShells.nix inputs;
    formatter = import ./nix/formatter.nix inputs;
    templates = import ./nix/templates.nix;
  };
}
