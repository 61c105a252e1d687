# Calendars and address books.
{ config, ... }:
{
  services.radicale = {
    enable = true;
    settings = {
      server.hosts = [ "192.0.2.11:5232" ];
      auth = {
        type = "htpasswd";
        htpasswd_filename = "/var/lib/radicale/users";
        htpasswd_encryption = "bcrypt";
      };
      storage.filesystem_folder = "/var/lib/radicale/collections";
      web.type = "none";
    };
    rights = {
      owner = {
        user = ".+";
        collection = "{user}(/.*)?";
        permissions = "RrWw";
      };
      shared = {
        user = ".+";
        collection = "shared(/.*)?";
        permissions = "Rr";
      };
    };
  };

  networking.firewall.allowedTCPPorts = [ 5232 ];
  systemd.services.radicale.environment.TZ = config.time.timeZone;
}
