# readHost DIR NAME: what DIR/NAME/host.toml says, with the defaults filled in.
# The same file is read by the fleet's own tool: nothing of it stands twice.
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
