# deployTarget HOST: what nixinate wants to know, from what host.toml says.
{ deploy, ... }:
{
  inherit (deploy) host port;
  sshUser = deploy.user;
  buildOn = deploy.build-on;
  substituteOnTarget = deploy.substitute-on-destination;
  # A hermetic deploy carries the nixos-rebuild of the operator's machine along,
  # which is of no use to a target of the other architecture.
  hermetic = false;
}
