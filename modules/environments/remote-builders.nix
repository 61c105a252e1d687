# Hands builds to anvil and bellows.
{ config, ... }:
{
  secrix.system.secrets.builder-ssh.encrypted.file = ../../secrets/builder-ssh.age;

  nix = {
    distributedBuilds = true;
    buildMachines = [
      {
        hostName = "anvil.harbour.example";
        sshUser = "builder";
        sshKey = config.secrix.system.secrets.builder-ssh.decrypted.path;
        systems = [
          "x86_64-linux"
          "i686-linux"
        ];
        maxJobs = 8;
        speedFactor = 4;
        supportedFeatures = [
          "big-parallel"
          "kvm"
          "nixos-test"
        ];
      }
      {
        hostName = "bellows.harbour.example";
        sshUser = "builder";
        sshKey = config.secrix.system.secrets.builder-ssh.decrypted.path;
        systems = [ "aarch64-linux" ];
        maxJobs = 4;
        supportedFeatures = [ "big-parallel" ];
      }
    ];
    settings.builders-use-substitutes = true;
  };

  programs.ssh.knownHosts = {
    anvil = {
      hostNames = [
        "anvil.harbour.example"
        "192.0.2.14"
      ];
      publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFq0fY6VYRS13hi0skjipKBynoqEPyFelaeCXWqBxxYd";
    };
    bellows = {
      hostNames = [
        "bellows.harbour.example"
        "192.0.2.15"
      ];
      publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGrVnp51VpafNnpbCZe/ZJ17hdg4vkEGk5xZSTxhcTs";
    };
  };
}
