# What every machine gets. Imported by path: `imports = [ ../../modules/environments/base.nix ];`
{
  config,
  lib,
  pkgs,
  ...
}:
{
  imports = [ ./users.nix ];

  time.timeZone = lib.mkDefault "Europe/Lisbon";
  i18n.defaultLocale = lib.mkDefault "en_GB.UTF-8";
  console.keyMap = lib.mkDefault "uk";

  networking.domain = "harbour.example";
  networking.search = [ "harbour.example" ];
  networking.firewall.logRefusedConnections = false; # the internet knocks all day

  nix = {
    settings = {
      experimental-features = [
        "nix-command"
        "flakes"
      ];
      auto-optimise-store = true;
      trusted-users = [ "@wheel" ];
    };
    gc = {
      automatic = true;
      dates = lib.mkDefault "weekly";
      options = lib.mkDefault "--delete-older-than 30d";
    };
  };

  services.openssh = {
    enable = true;
    settings = {
      PasswordAuthentication = false;
      PermitRootLogin = lib.mkDefault "no";
      KbdInteractiveAuthentication = false;
    };
  };

  programs.mtr.enable = true;
  programs.tmux = {
    enable = true;
    clock24 = true;
    historyLimit = 20000;
  };

  environment.systemPackages = with pkgs; [
    curl
    dnsutils
    file
    git
    htop
    jq
    lsof
    ripgrep
    rsync
    tcpdump
    tree
    vim
  ];
  environment.variables.EDITOR = "vim";

  security.pki.certificateFiles = [ ./harbour-ca.crt ];

  users.motd = ''
    ${config.networking.hostName}.harbour.example
  '';
}
