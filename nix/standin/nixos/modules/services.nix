# Units for what hosts switch on: one for each service, under the name that it really
# has, running a program that listens where the real one would and does nothing else.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  table = builtins.fromTOML (builtins.readFile ./service-units.toml);

  pathOf = lib.splitString ".";
  at = default: option: lib.attrByPath (pathOf option) default config;
  portsOf = ports: lib.filter lib.isInt (map (port: if lib.isInt port then port else at null port) ports);

  fixed = lib.concatLists (
    lib.mapAttrsToList (
      option: row:
      lib.optionals (at false "${option}.enable" == true) (
        map (name: {
          inherit name;
          ports = portsOf (row.ports or [ ]);
        }) row.units
      )
    ) table.services
  );

  families = lib.concatLists (
    lib.mapAttrsToList (
      option: row:
      let
        members = lib.filterAttrs (
          _: member: lib.isAttrs member && (row.always || member.enable or false == true)
        ) (at { } option);
      in
      lib.mapAttrsToList (name: member: {
        name = row.prefix + name + row.suffix;
        ports = portsOf [ (member.port or null) ];
      }) members
    ) table.families
  );

  daemon = pkgs.writeScript "standin-daemon" (builtins.readFile ./standin-daemon.sh);
in
{
  systemd.services = lib.listToAttrs (
    map (one: {
      inherit (one) name;
      value = {
        description = lib.mkDefault "Stand-in of ${one.name}";
        wantedBy = lib.mkDefault [ "multi-user.target" ];
        serviceConfig.ExecStart = lib.mkDefault (
          lib.concatStringsSep " " ([ "${daemon}" ] ++ map toString one.ports)
        );
      };
    }) (fixed ++ families)
  );
}
