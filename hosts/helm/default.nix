# helm: Mara's workstation. Firmware, a bit of everything, and where the fleet is
# run from.
{
  config,
  inputs,
  lib,
  pkgs,
  self,
  unstable,
  ...
}:
let
  me = "mara";

  # ssh short cuts: name -> address
  machines = {
    beacon = "192.0.2.2";
    breakwater = "192.0.2.1";
    silo = "192.0.2.20";
    attic = "192.0.2.21";
  };

  rustTools = with pkgs; [
    cargo
    clippy
    rust-analyzer
    rustc
    rustfmt
  ];
  bench = with pkgs; [
    openocd
    picocom
    # saleae-logic-2 # not free
    sigrok-cli
  ];
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/desktop.nix
    (import ../../modules/environments/nfs-mount.nix { share = "projects"; })
    (import ../../modules/environments/nfs-mount.nix {
      share = "media";
      readOnly = true;
    })
    (import ../../modules/environments/backup-client.nix {
      paths = [ "/home/mara" ];
      exclude = [
        "/home/mara/.cache"
        "/home/mara/*/target"
      ];
      at = "12:30";
    })
  ];

  system.stateVersion = "24.05";
  networking.hostName = "helm";

  #### Desktop ################################################################
  services.xserver.enable = true;
  services.xserver.xkb = {
    layout = "gb,pt";
    options = "grp:caps_toggle";
  };
  services.displayManager.sddm.enable = true;
  services.desktopManager.plasma6.enable = true;
  services.displayManager.defaultSession = "plasma";
  services.libinput.enable = true;
  # services.displayManager.autoLogin.user = "mara";

  fonts.packages = with pkgs; [
    fira-code
    ibm-plex
    source-sans
  ];

  #### Development ############################################################
  environment.systemPackages =
    rustTools
    ++ bench
    ++ (with pkgs; [
      age
      cmake
      gcc
      gdb
      gnumake
      kicad
      nix-tree
      python3
    ])
    ++ (with unstable; [
      helix
      zed-editor
    ]);

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
  programs.wireshark.enable = true;

  virtualisation.podman.enable = true;
  virtualisation.podman.dockerCompat = true;
  virtualisation.libvirtd.enable = true;

  services.udev.extraRules = builtins.readFile ./udev.rules;
  users.users.${me}.extraGroups = [
    "dialout"
    "libvirtd"
    "wireshark"
  ];
  hardware.keyboard.qmk.enable = true;

  #### The fleet ##############################################################
  nix = {
    registry.nixpkgs.flake = inputs.nixpkgs;
    settings = {
      keep-outputs = true;
      substituters = lib.mkBefore [ "http://anvil.harbour.example:5000" ];
      trusted-public-keys = [ "anvil.harbour.example-1:${lib.fileContents ../anvil/cache.pub}" ];
    };
    gc.options = lib.mkForce "--delete-older-than 90d"; # rollbacks
  };
  boot.binfmt.emulatedSystems = [ "aarch64-linux" ];

  programs.ssh = {
    startAgent = false; # gpg-agent does it
    extraConfig = lib.mkBefore (
      lib.concatStrings (
        lib.mapAttrsToList (name: address: ''
          Host ${name}
            HostName ${address}
            User deploy
        '') machines
      )
    );
    knownHosts = {
      "beacon.harbour.example".publicKey = self.nixosConfigurations.beacon.config.secrix.hostPubKey;
      "loom.harbour.example".publicKey = self.nixosConfigurations.loom.config.secrix.hostPubKey;
      # "attic.harbour.example".publicKey = "";
    };
  };

  environment.shellAliases = {
    fleet = "cargo xtask";
    k = "kubectl";
    ll = "ls -la";
  };

  #### VPN ####################################################################
  secrix.services.wireguard-wg0.secrets.wg-helm.encrypted.file = ../../secrets/wg-helm.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.61/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-helm.decrypted.path;
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

  #### Odds and ends ##########################################################
  services.fwupd.enable = true;
  services.syncthing = {
    enable = true;
    user = me;
    dataDir = "/home/${me}";
    openDefaultPorts = true;
  };
  hardware.bluetooth = {
    enable = true;
    powerOnBoot = true;
    settings.General.Experimental = true;
  };

  systemd.user.services.battery-of-the-mouse = {
    description = "Say so when the mouse runs out";
    startAt = "hourly";
    script = ''
      level=$(cat /sys/class/power_supply/hidpp_battery_0/capacity 2>/dev/null || echo 100)
      if [ "$level" -lt 15 ]; then
        ${pkgs.libnotify}/bin/notify-send "mouse: $level %"
      fi
    '';
  };

  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPcjRONP1OiktoEp0BvPK8Ko70Y5X6hCsZ1sTBPiKcO";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
