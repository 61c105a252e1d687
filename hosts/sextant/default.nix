# sextant: Tobias' workstation. Drawings, CAM, the 3D printers.
#
# Older than the shared files, so much of it is written out here.
{
  config,
  lib,
  pkgs,
  unstable,
  ...
}:
with lib;
{
  imports = [
    ./hardware.nix
    ./slicing.nix
    ../../modules/environments/users.nix
    ../../modules/environments/remote-builders.nix
    (import ../../modules/environments/nfs-mount.nix { share = "projects"; })
  ];

  system.stateVersion = "24.05";

  time.timeZone = "Europe/Lisbon";
  i18n = {
    defaultLocale = "en_GB.UTF-8";
    extraLocaleSettings = {
      LC_MEASUREMENT = "pt_PT.UTF-8";
      LC_PAPER = "pt_PT.UTF-8";
      LC_TIME = "pt_PT.UTF-8";
    };
  };
  console.keyMap = "pt-latin1";

  networking = {
    hostName = "sextant";
    domain = "harbour.example";
    networkmanager.enable = true;
    firewall.logRefusedConnections = false;
  };

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
      dates = "weekly";
      options = "--delete-older-than 30d";
    };
  };

  # -- graphical --
  services.xserver = {
    enable = true;
    xkb.layout = "pt";
    displayManager.lightdm.enable = true;
    windowManager.i3 = {
      enable = true;
      configFile = ./i3.conf;
      extraPackages = with pkgs; [
        alacritty
        i3lock
        i3status
        rofi
      ];
    };
    wacom.enable = true;
  };
  services.displayManager.defaultSession = "none+i3";
  services.picom = {
    enable = true;
    backend = "glx";
    vSync = true;
    # fade = true;
  };

  fonts = {
    packages = with pkgs; [
      dejavu_fonts
      liberation_ttf
      noto-fonts
      source-han-sans
    ];
    fontconfig.defaultFonts = {
      monospace = [ "DejaVu Sans Mono" ];
      sansSerif = mkBefore [ "Noto Sans" ];
    };
  };

  # -- sound --
  security.rtkit.enable = true;
  services.pipewire = {
    enable = true;
    alsa.enable = true;
    alsa.support32Bit = true;
    pulse.enable = true;
    # jack.enable = true;
  };

  # -- printing --
  services.printing.enable = true;
  services.avahi = {
    enable = true;
    nssmdns4 = true;
    openFirewall = true;
  };
  hardware.printers = {
    ensureDefaultPrinter = "plotter";
    ensurePrinters = [
      {
        name = "office";
        location = "Office, by the window";
        deviceUri = "ipp://inkwell.harbour.example/printers/office";
        model = "everywhere";
      }
      {
        name = "plotter";
        location = "Workshop, ground floor";
        deviceUri = "ipp://inkwell.harbour.example/printers/plotter";
        model = "everywhere";
        ppdOptions.PageSize = "A1";
      }
    ];
  };

  # -- ssh --
  services.openssh = {
    enable = true;
    settings = {
      PasswordAuthentication = false;
      PermitRootLogin = mkForce "no";
      KbdInteractiveAuthentication = false;
    };
  };
  programs.ssh.extraConfig = ''
    Host loom loom.harbour.example 192.0.2.12
      Port 2222
  '';

  # -- programs --
  environment.systemPackages =
    with pkgs;
    [
      blender
      freecad
      gimp
      git
      htop
      inkscape
      keepassxc
      krita
      librecad
      libreoffice
      openscad
      ripgrep
      thunderbird
      vim
    ]
    ++ optional config.services.xserver.wacom.enable libwacom
    ++ [ unstable.camotics ];
  environment.variables = {
    EDITOR = "vim";
    FREECAD_USER_DATA = "/home/tobias/.local/share/FreeCAD";
  };

  programs.firefox = {
    enable = true;
    policies = {
      DisableTelemetry = true;
      DisablePocket = true;
      DontCheckDefaultBrowser = true;
      ExtensionSettings."*".installation_mode = "allowed";
    };
  };
  programs.tmux = {
    enable = true;
    clock24 = true;
    historyLimit = 5000;
  };

  virtualisation.docker = {
    enable = true;
    enableOnBoot = true;
    autoPrune.enable = true;
  };

  users.users.tobias.extraGroups = [
    "audio"
    "dialout"
    "docker"
    "networkmanager"
    "video"
  ];

  security.pki.certificateFiles = [ ../../modules/environments/harbour-ca.crt ];

  # -- VPN --
  secrix.services.wireguard-wg0.secrets.wg-sextant.encrypted.file = ../../secrets/wg-sextant.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.62/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-sextant.decrypted.path;
    peers = [
      {
        # beacon
        publicKey = "J90oX4lbbM6o0nDafvQ3/lw2YI+l3MDVk72pNFx+hiA=";
        allowedIPs = [ "203.0.113.0/24" ];
        endpoint = "beacon.harbour.example:51820";
        persistentKeepalive = 25;
      }
    ];
  };

  services.fwupd.enable = true;
  hardware.bluetooth.enable = mkDefault true;

  secrix.hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDkLRV1APDVcPoV9gVjUPw0FErIbZIfawPwIPqujYXUt";
  secrix.defaultEncryptKeys = {
    mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
    tobias = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDd7PH1AN15KQgpFHT2leDmQ9lJfDwX54KP8bJf2veg3" ];
    recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
  };
}
