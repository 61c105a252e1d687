# One site behind beacon's nginx:
#
#   imports = [
#     (import ../../modules/environments/proxy-host.nix { site = "git"; upstream = "…"; })
#   ];
{
  site,
  upstream,
  websockets ? false,
  maxBody ? "20m",
}:
{ config, ... }:
{
  services.nginx.virtualHosts."${site}.harbour.example" = {
    forceSSL = true;
    useACMEHost = "harbour.example";
    locations."/" = {
      proxyPass = upstream;
      proxyWebsockets = websockets;
      extraConfig = ''
        client_max_body_size ${maxBody};
        proxy_set_header X-Served-By ${config.networking.hostName};
      '';
    };
  };
}
