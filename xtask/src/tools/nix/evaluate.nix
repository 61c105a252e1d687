# Evaluates the hosts of one flake tree, as Nix itself would call it, but with
# `self`, the inputs and the order of work under the caller's control.
#
# request = {
#   tree       absolute path of a directory that holds the tree
#   self       { kind = "store"; attributes = { … }; }: the tree is copied to the
#              store, and `self` is what Nix would make of it, with these of its
#              attributes (`rev`, `lastModified`, …) as they are for the commit;
#              { kind = "view"; attributes }: `self.outPath` is the string `tree`,
#              or the host's view;
#              { kind = "place"; }: the same, and what depends on the commit is
#              constant
#   inputs     { NAME = { path; narHash; }; }: inputs of the flake that are taken
#              from a directory, whatever the lock says; through the store if
#              `narHash` is not null
#   narHash    of the tree; not null where evaluation is pure
#   hosts      names
#   ask        which of `facts` below to compute
#   views      { HOST = directory; }: copies of the tree through which hosts are
#              evaluated, so that a trace tells which host read a file
# }
#
# The names of all hosts are printed as a trace `fleet-names [json]`. Every
# host's facts are printed as soon as they are known, as a trace
# `fleet-host {json}`, and `fleet-begin "NAME"` before; the value is of no
# interest. A read of one of `self`'s attributes that depend on the commit is
# printed as `fleet-self NAME`, the tree's place in the store as `fleet-source PATH`.
request:
let
  inherit (builtins)
    attrNames
    deepSeq
    filter
    foldl'
    fromJSON
    functionArgs
    hasAttr
    head
    intersectAttrs
    isAttrs
    isList
    isString
    length
    listToAttrs
    map
    mapAttrs
    pathExists
    readFile
    removeAttrs
    seq
    tail
    toJSON
    trace
    tryEval
    unsafeDiscardStringContext
    ;

  ask = listToAttrs (map (name: { inherit name; value = true; }) request.ask);

  # Constants for a tree that is pinned by its place.
  pinned = {
    rev = "0000000000000000000000000000000000000000";
    shortRev = "0000000";
    revCount = 1;
    lastModified = 1;
    lastModifiedDate = "19700101000001";
    narHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  };

  # A directory that Nix has copied to the store.
  stored =
    path: narHash:
    builtins.fetchTree (
      {
        type = "path";
        inherit path;
      }
      // (if narHash == null then { } else { inherit narHash; })
    );

  undated = {
    inherit (pinned) lastModified lastModifiedDate;
  };

  sourceOf =
    directory:
    let
      source = stored (toString directory) request.narHash;
      told = mapAttrs (name: value: trace "fleet-self ${name}" value);
    in
    if request.self.kind == "place" then
      pinned // { outPath = toString directory; }
    else if request.self.kind == "view" then
      told (request.self.attributes // { inherit (pinned) narHash; })
      // { outPath = toString directory; }
    else
      trace "fleet-source ${source.outPath}" (
        told request.self.attributes // { inherit (source) outPath narHash; }
      );

  # The tree, where it may be read.
  base = if request.self.kind == "store" then (stored request.tree request.narHash).outPath else request.tree;
  lockFile = base + "/flake.lock";
  lock =
    if pathExists lockFile then
      fromJSON (readFile lockFile)
    else
      {
        root = "root";
        nodes.root = { };
      };

  # A reference is the name of a node, or a path of inputs from the root.
  nodeOf = reference: if isList reference then follow lock.root reference else reference;
  follow =
    node: path:
    if path == [ ] then
      node
    else
      follow (nodeOf lock.nodes.${node}.inputs.${head path}) (tail path);

  # A tree as a flake.
  called =
    source: subdirectory: inputs:
    let
      root = source // {
        outPath = source + (if subdirectory == "" then "" else "/${subdirectory}");
      };
      flake = import (root.outPath + "/flake.nix");
      outputs = flake.outputs (inputs // { self = result; });
      result =
        outputs
        // root
        // {
          inherit inputs outputs;
          sourceInfo = source;
          _type = "flake";
        };
    in
    result;

  # An input that is taken from a directory gets what else is taken from
  # directories, and what the flake's lock has for it; it has no lock that counts.
  given = mapAttrs (
    own: input:
    let
      directory = if input.narHash == null then input.path else (stored input.path input.narHash).outPath;
      flake = import (directory + "/flake.nix");
      wanted = filter (name: name != "self") (
        attrNames (flake.inputs or { } // functionArgs flake.outputs)
      );
      known = if locked ? ${own} then lock.nodes.${nodeOf locked.${own}}.inputs or { } else { };
      inputs = listToAttrs (
        map (name: {
          inherit name;
          value =
            given.${name} or (
              if known ? ${name} then
                referred known.${name}
              else
                throw "fleet: no directory was given for the input ${name} of ${own}"
            );
        }) wanted
      );
    in
    if pathExists (directory + "/flake.nix") then
      called (undated // { outPath = directory; }) "" inputs
    else
      undated // { outPath = directory; }
  ) request.inputs;

  nodes = mapAttrs (
    _: node:
    let
      # `builtins.fetchTree` knows no `dir`.
      source = builtins.fetchTree (removeAttrs node.locked [ "dir" "__final" ]);
      inputs = mapAttrs (_: referred) (node.inputs or { });
    in
    if node.flake or true then called source (node.locked.dir or "") inputs else source
  ) (removeAttrs lock.nodes [ lock.root ]);

  # What an input's input is; one that follows an input of the flake is what that is.
  referred =
    reference:
    if isList reference && length reference == 1 then
      rootInputs.${head reference}
    else
      nodes.${nodeOf reference};

  # Directories count for inputs that the flake has.
  rootFile = import (base + "/flake.nix");
  locked = lock.nodes.${lock.root}.inputs or { };
  rootInputs =
    mapAttrs (_: referred) locked
    // intersectAttrs (locked // rootFile.inputs or { } // functionArgs rootFile.outputs) given;

  flakeAt = directory: called (sourceOf directory) (request.subdirectory or "") rootInputs;
  flake = flakeAt request.tree;
  flakeOf =
    name: if hasAttr name request.views then flakeAt request.views.${name} else flake;

  # What cannot be evaluated by itself is said as such: warnings and assertions
  # may throw where the derivation does not.
  tolerant =
    value:
    let
      whole = tryEval (deepSeq value value);
    in
    if whole.success then whole.value else { failed = true; };

  plain =
    value:
    if isString value then
      unsafeDiscardStringContext value
    else if isList value then
      map plain value
    else if isAttrs value then
      mapAttrs (_: plain) value
    else
      value;

  facts = name: host: {
    derivation = unsafeDiscardStringContext host.config.system.build.toplevel.drvPath;
    output = unsafeDiscardStringContext host.config.system.build.toplevel.outPath;
    # `host.pkgs` merges the definitions of the module arguments a second time, which on
    # NixOS 20.09 is a tenth of the time; the derivation knows what it was made with.
    system =
      host.config.system.build.toplevel.stdenv.hostPlatform.system
        or host.pkgs.stdenv.hostPlatform.system or host.pkgs.system;
    vm = map unsafeDiscardStringContext [
      host.config.system.build.vm.drvPath
      host.config.system.build.vm.outPath
    ];
    # What the derivation does not show.
    beside = {
      warnings = tolerant (map plain (host.config.warnings or [ ]));
      # The message of one that holds need not even have a value.
      assertions = {
        count = length (host.config.assertions or [ ]);
        failed = tolerant (
          map (it: plain it.message) (filter (it: !it.assertion) (host.config.assertions or [ ]))
        );
      };
      nixinate = tolerant (plain (host.config._module.args.nixinate or null));
      secrix = tolerant (plain (host.config.secrix.hostPubKey or null));
    };
  };

  # Through the first host's view: nothing is read that no host accounts for.
  all = attrNames (
    if request.hosts == [ ] then flake else flakeOf (head request.hosts)
  ).nixosConfigurations;

  told =
    name:
    let
      host = (flakeOf name).nixosConfigurations.${name};
      found = intersectAttrs ask (facts name host);
    in
    trace "fleet-host ${toJSON { inherit name; facts = found; }}" null;
in
trace "fleet-names ${toJSON all}" (
  foldl' (done: name: trace "fleet-begin ${toJSON name}" (seq (told name) null)) null request.hosts
)
