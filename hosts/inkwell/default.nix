# inkwell: drives the printers, the plotter and the scanner.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  location = "Workshop, ground floor";

  printers = {
    office = {
      uri = "socket://192.0.2.81:9100";
      model = "everywhere";
      info = "Laser, black and white";
    };
    labels = {
      uri = "usb://Generic/LabelWriter";
      model = "drv:///sample.drv/zebra.ppd";
      info = "Labels, 62 mm";
    };
    plotter = {
      uri = "socket://192.0.2.82:9100";
      model = "plotter.ppd";
      info = "A1, rolls";
    };
  };

  # who is allowed to look at the queues
  allowed = [
    "192.0.2.*"
    "203.0.113.*"
    "198.51.100.*"
  ];

  plotterDriver = pkgs.runCommand "plotter-ppd" { } ''
    install -Dm644 ${./ppd/plotter.ppd} $out/share/cups/model/plotter.ppd
  '';
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/server.nix
    (import ../../modules/environments/nfs-mount.nix { share = "papers"; })
    # the scanner wants its button watched
    (
      { config, pkgs, ... }:
      {
        systemd.services.scan-button = {
          description = "Scan when the button is pressed";
          wantedBy = [ "multi-user.target" ];
          path = [ pkgs.sane-backends ];
          serviceConfig = {
            ExecStart = "${pkgs.runtimeShell} ${./scan.sh} /mnt/papers/inbox";
            Restart = "always";
            RestartSec = 2;
            User = "scanner";
          };
        };
      }
    )
  ];

  system.stateVersion = "24.11";

  networking.hostName = "inkwell";
  networking.useDHCP = lib.mkForce false;
  networking.interfaces.end0.ipv4.addresses = [
    {
      address = "192.0.2.30";
      prefixLength = 24;
    }
  ];
  networking.defaultGateway = "192.0.2.1";
  networking.nameservers = [ "192.0.2.2" ];

  # ------------------------------------------------------------- printing
  services.printing = {
    enable = true;
    drivers =
      with pkgs;
      [
        gutenprint
        hplip
      ]
      ++ [ plotterDriver ];
    listenAddresses = [ "*:631" ];
    allowFrom = [ "localhost" ] ++ allowed;
    browsing = true;
    defaultShared = true;
    startWhenNeeded = false;
    logLevel = "warn";
    extraConf = ''
      ServerAlias *
      PreserveJobHistory 7d
      MaxJobs 200
      # DefaultEncryption Never
    '';
  };

  hardware.printers = {
    ensureDefaultPrinter = "office";
    ensurePrinters = lib.mapAttrsToList (name: printer: {
      inherit name location;
      inherit (printer) model;
      deviceUri = printer.uri;
      description = printer.info;
      ppdOptions.PageSize = if name == "plotter" then "A1" else "A4";
    }) printers;
  };

  services.avahi = {
    enable = true;
    nssmdns4 = true;
    openFirewall = true;
    publish.enable = true;
    publish.userServices = true;
  };

  networking.firewall = {
    allowedTCPPorts = [ 631 ];
    allowedUDPPorts = [ 631 ];
  };

  # ------------------------------------------------------------- scanning
  hardware.sane = {
    enable = true;
    extraBackends = [ pkgs.sane-airscan ];
    openFirewall = true;
  };
  services.saned = {
    enable = true;
    extraConfig = ''
      192.0.2.0/24
    '';
  };
  users.users.scanner.extraGroups = [
    "lp"
    "scanner"
  ];

  services.udev.extraRules = ''
    # the label printer shows up under several ids
    SUBSYSTEM=="usb", ATTR{idVendor}=="0922", MODE="0660", GROUP="lp"
    SUBSYSTEM=="usb", ATTR{idVendor}=="04f9", MODE="0660", GROUP="lp"
  '';

  # ------------------------------------------------------------------ VPN
  secrix.services.wireguard-wg0.secrets.wg-inkwell.encrypted.file = ../../secrets/wg-inkwell.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.30/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-inkwell.decrypted.path;
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

  # ------------------------------------------------------------------ misc
  services.fail2ban.enable = false; # little memory
  services.journald.extraConfig = lib.mkForce ''
    Storage=volatile
    RuntimeMaxUse=64M
  '';
  zramSwap.enable = true;

  environment.systemPackages = with pkgs; [
    ghostscript
    qpdf
    usbutils
    (writeShellScriptBin "unjam" ''
      # throw away what hangs in a queue
      ${pkgs.cups}/bin/cancel -a ''${1:-office}
      ${pkgs.cups}/bin/cupsenable ''${1:-office}
    '')
  ];

  secrix.hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJDX6eHw6Hmy1fl5ysd9wyvhnPJxbEFigze19F/idTMM";
  secrix.defaultEncryptKeys = {
    mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
    recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
  };
}
