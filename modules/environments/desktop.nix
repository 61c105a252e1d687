# Workstations: sound, fonts, printing, the usual programs.
{
  lib,
  pkgs,
  unstable,
  ...
}:
with lib;
{
  imports = [
    ./base.nix
    ./remote-builders.nix
  ];

  security.rtkit.enable = true;
  services.pipewire = {
    enable = true;
    alsa.enable = true;
    alsa.support32Bit = mkDefault true;
    pulse.enable = true;
  };

  fonts.packages = with pkgs; [
    dejavu_fonts
    liberation_ttf
    noto-fonts
  ];

  services.printing.enable = true;
  services.avahi = {
    enable = true;
    nssmdns4 = true;
    openFirewall = true;
  };
  hardware.printers = {
    ensureDefaultPrinter = mkDefault "office";
    ensurePrinters = [
      {
        name = "office";
        location = "Office, by the window";
        deviceUri = "ipp://inkwell.harbour.example/printers/office";
        model = "everywhere";
      }
    ];
  };

  networking.networkmanager.enable = true;
  users.users.mara.extraGroups = [
    "audio"
    "networkmanager"
    "video"
  ];
  users.users.tobias.extraGroups = [
    "audio"
    "networkmanager"
    "video"
  ];

  programs.firefox = {
    enable = true;
    policies = {
      DisableTelemetry = true;
      DisablePocket = true;
      DontCheckDefaultBrowser = true;
    };
  };

  environment.systemPackages =
    (with pkgs; [
      gimp
      inkscape
      keepassxc
      libreoffice
      mpv
      thunderbird
    ])
    ++ [ unstable.yt-dlp ];

  # ssh to the forge goes to git; its own sshd listens elsewhere
  programs.ssh.extraConfig = ''
    Host loom loom.harbour.example 192.0.2.12
      Port 2222
  '';
}
