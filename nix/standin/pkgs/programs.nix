# Programs of packages that have more than one, or one of another name.
{
  bash = [
    "bash"
    "sh"
  ];
  bashInteractive = [
    "bash"
    "sh"
  ];
  busybox = [ "busybox" ];
  coreutils = [
    "cat"
    "chmod"
    "chown"
    "cp"
    "cut"
    "date"
    "echo"
    "env"
    "head"
    "install"
    "ln"
    "ls"
    "mkdir"
    "mktemp"
    "mv"
    "printf"
    "readlink"
    "rm"
    "sleep"
    "sort"
    "tail"
    "touch"
    "tr"
    "true"
    "wc"
  ];
  cups = [
    "cancel"
    "cupsenable"
    "lp"
    "lpadmin"
  ];
  findutils = [
    "find"
    "xargs"
  ];
  gawk = [
    "awk"
    "gawk"
  ];
  git = [ "git" ];
  gnugrep = [
    "egrep"
    "grep"
  ];
  gnused = [ "sed" ];
  gnutar = [ "tar" ];
  iproute2 = [
    "ip"
    "ss"
  ];
  iptables = [
    "ip6tables"
    "iptables"
  ];
  iputils = [ "ping" ];
  libnotify = [ "notify-send" ];
  msmtp = [
    "msmtp"
    "sendmail"
  ];
  nix = [
    "nix"
    "nix-build"
    "nix-collect-garbage"
    "nix-env"
    "nix-instantiate"
    "nix-store"
  ];
  nodejs = [
    "node"
    "npm"
  ];
  openssh = [
    "scp"
    "ssh"
    "ssh-keygen"
    "sshd"
  ];
  postgresql = [
    "pg_dump"
    "postgres"
    "psql"
    "vacuumdb"
  ];
  procps = [
    "pgrep"
    "ps"
    "sysctl"
  ];
  ripgrep = [ "rg" ];
  sane-backends = [
    "sane-find-scanner"
    "scanimage"
  ];
  shadow = [
    "groupadd"
    "useradd"
  ];
  systemd = [
    "journalctl"
    "loginctl"
    "networkctl"
    "systemctl"
    "systemd-run"
    "systemd-tmpfiles"
  ];
  util-linux = [
    "flock"
    "lsblk"
    "mount"
    "umount"
    "wall"
  ];
  wireguard-tools = [ "wg" ];
  zfs = [
    "zfs"
    "zpool"
  ];
}
