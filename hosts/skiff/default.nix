# skiff: the laptop. Goes to customers, so everything has to work without the house.
{
  config,
  inputs,
  lib,
  pkgs,
  unstable,
  ...
}:

let
  me = "mara";

  # where it is used: name -> keymap options of the place
  secondScreens = [
    "DP-1"
    "HDMI-A-1"
  ];

  lowBattery = 12;
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/desktop.nix
    (import ../../modules/environments/backup-client.nix {
      paths = [ "/home/mara" ];
      exclude = [ "/home/mara/.cache" ];
      at = "18:00";
    })
    {
      # the office printer is of no use on the road
      hardware.printers.ensureDefaultPrinter = lib.mkForce null;
    }
  ];

  system.stateVersion = "24.11";
  networking.hostName = "skiff";

  # ------------------------------------------------------------- Desktop --
  services.xserver.enable = true;
  services.xserver.xkb = {
    layout = "gb,pt";
    options = "grp:caps_toggle";
  };
  services.displayManager.sddm = {
    enable = true;
    wayland.enable = true;
  };
  services.desktopManager.plasma6.enable = true;
  services.libinput = {
    enable = true;
    touchpad.naturalScrolling = true;
    touchpad.tapping = false;
  };

  fonts.packages = with pkgs; [
    fira-code
    ibm-plex
  ];

  environment.sessionVariables = {
    MOZ_ENABLE_WAYLAND = "1";
    NIXOS_OZONE_WL = "1";
    SECOND_SCREENS = lib.concatStringsSep ":" secondScreens;
  };

  # --------------------------------------------------------------- Power --
  services.power-profiles-daemon.enable = lib.mkForce false; # tlp instead
  services.tlp = {
    enable = true;
    settings = {
      CPU_SCALING_GOVERNOR_ON_AC = "performance";
      CPU_SCALING_GOVERNOR_ON_BAT = "powersave";
      START_CHARGE_THRESH_BAT0 = 60;
      STOP_CHARGE_THRESH_BAT0 = 85;
      WIFI_PWR_ON_BAT = "on";
      USB_AUTOSUSPEND = 1;
      # PCIE_ASPM_ON_BAT = "powersupersave"; # the dock dies
    };
  };
  services.upower = {
    enable = true;
    percentageLow = lowBattery + 8;
    percentageCritical = lowBattery;
    criticalPowerAction = "Hibernate";
  };
  services.thermald.enable = lib.mkDefault (!config.hardware.cpu.amd.updateMicrocode);
  powerManagement.powertop.enable = false;
  zramSwap = {
    enable = true;
    memoryPercent = 50;
  };

  # ------------------------------------------------------------- Network --
  networking.networkmanager.wifi = {
    powersave = true;
    macAddress = "stable";
  };
  networking.firewall = {
    # hotel networks
    checkReversePath = "loose";
    allowPing = false;
    interfaces.wg0.allowedTCPPorts = config.services.openssh.ports;
  };
  services.openssh.openFirewall = false; # only through the VPN
  services.resolved.enable = true;

  secrix.services.wireguard-wg0.secrets.wg-skiff.encrypted.file = ../../secrets/wg-skiff.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.63/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-skiff.decrypted.path;
    peers = [
      {
        # beacon, from anywhere; the house through it
        publicKey = "J90oX4lbbM6o0nDafvQ3/lw2YI+l3MDVk72pNFx+hiA=";
        allowedIPs = [
          "203.0.113.0/24"
          "192.0.2.0/24"
        ];
        endpoint = "198.51.100.2:51820";
        persistentKeepalive = 25;
      }
    ];
  };

  # --------------------------------------------------------- Development --
  environment.systemPackages =
    (with pkgs; [
      acpi
      age
      brightnessctl
      gnumake
      powertop
      python3
    ])
    ++ (with unstable; [
      helix
      zed-editor
    ])
    ++ [
      (pkgs.writeShellScriptBin "away" ''
        # no builders, no mounts: for trains
        ${config.systemd.package}/bin/systemctl stop wireguard-wg0.service
        echo "builders =" | sudo tee /run/nix-away.conf >/dev/null
      '')
    ];

  programs.direnv.enable = true;
  programs.git = {
    enable = true;
    lfs.enable = true;
    config = {
      init.defaultBranch = "main";
      pull.rebase = true;
      url."ssh://git@git.harbour.example/".insteadOf = "harbour:";
    };
  };
  programs.gnupg.agent = {
    enable = true;
    enableSSHSupport = true;
  };

  nix = {
    registry.nixpkgs.flake = inputs.nixpkgs;
    settings = {
      connect-timeout = 3;
      fallback = true; # build here when the house is far
    };
    gc.options = lib.mkForce "--delete-older-than 60d";
  };

  # ------------------------------------------------------------ Security --
  services.fprintd.enable = true;
  services.pcscd.enable = true;
  services.usbguard = {
    enable = true;
    IPCAllowedUsers = [
      "root"
      me
    ];
    rules = builtins.readFile ./usbguard.rules;
    presentDevicePolicy = "allow";
  };
  security.pam.services.sudo.fprintAuth = false;
  # security.tpm2.enable = true;

  # ------------------------------------------------------------------ Misc --
  hardware.bluetooth.enable = true;
  hardware.bluetooth.powerOnBoot = false;
  services.fwupd.enable = true;

  services.syncthing = {
    enable = true;
    user = me;
    dataDir = "/home/${me}";
    openDefaultPorts = true;
  };

  users.users.${me}.packages = [
    pkgs.gnucash
    # pkgs.zotero
  ];

  systemd.user.services.battery-low = {
    description = "Say so before the battery is empty";
    startAt = "*:0/2";
    script = ''
      level=$(cat /sys/class/power_supply/BAT0/capacity)
      state=$(cat /sys/class/power_supply/BAT0/status)
      if [ "$state" = Discharging ] && [ "$level" -lt ${toString lowBattery} ]; then
        ${pkgs.libnotify}/bin/notify-send -u critical "battery: $level %"
      fi
    '';
  };

  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM8kN+yjZllWWvncyXp/DOaABuzlT+2Oul3TkcKVIRFy";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
