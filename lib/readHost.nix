# readHost DIR NAME: what DIR/NAME/host.toml says, with the defaults filled in.
# The same file is read by the fleet's own tool: nothing of it stands twice.
#
#   system   the architecture, "x86_64-linux" or "aarch64-linux"
#   roles    what the machine is there for
#   stage    when it is rolled out; 1 goes first
#   group    failure domain: never two of one group at the same time
#   policy   "required", or "when-reachable" for machines that may be off
#   needs    hosts that it depends on and that its configuration does not name
#   deploy   host, user, port, build-on ("local" or "remote") and
#            substitute-on-destination; next: host, user, port from the next system on
#   rollout  colour of a blue-green group, may-reboot, reboot-if-rollback-fails, and
#            times in seconds (activation-timeout, soak, ...); read by the tool alone
#   health   a list of checks: kind "unit" (name), "tcp" (port), "http" (url,
#            status) or "command" (run), each with an optional timeout in seconds
{ lib }:
dir: name:
lib.recursiveUpdate {
  inherit name;
  roles = [ ];
  group = name;
  policy = "required";
  needs = [ ];
  health = [ ];
  deploy = {
    user = "deploy";
    port = 22;
    build-on = "local";
    substitute-on-destination = true;
  };
} (builtins.fromTOML (builtins.readFile (dir + "/${name}/host.toml")))
