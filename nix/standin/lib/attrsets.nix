# Sets of attributes.
{ lib }:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    filter
    foldl'
    isAttrs
    listToAttrs
    mapAttrs
    removeAttrs
    zipAttrsWith
    ;
in
rec {
  inherit (builtins)
    attrNames
    attrValues
    catAttrs
    getAttr
    hasAttr
    intersectAttrs
    isAttrs
    listToAttrs
    mapAttrs
    removeAttrs
    zipAttrsWith
    ;

  nameValuePair = name: value: { inherit name value; };
  genAttrs =
    names: function:
    listToAttrs (map (name: nameValuePair name (function name)) names);
  genAttrs' = list: function: listToAttrs (map function list);
  mapAttrsToList = function: set: map (name: function name set.${name}) (attrNames set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs =
    function: set:
    foldl' (all: name: all // function name set.${name}) { } (attrNames set);
  mapAttrs' = function: set: listToAttrs (mapAttrsToList function set);
  filterAttrs =
    condition: set:
    removeAttrs set (filter (name: !condition name set.${name}) (attrNames set));
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond =
    condition: function: set:
    let
      below =
        path:
        mapAttrs (
          name: value:
          if isAttrs value && condition value then
            below (path ++ [ name ]) value
          else
            function (path ++ [ name ]) value
        );
    in
    below [ ] set;
  filterAttrsRecursive =
    condition: set:
    mapAttrs (_: value: if isAttrs value then filterAttrsRecursive condition value else value) (
      filterAttrs condition set
    );
  collect =
    condition: value:
    if condition value then
      [ value ]
    else if isAttrs value then
      concatMap (collect condition) (attrValues value)
    else
      [ ];
  foldlAttrs =
    function: start: set:
    foldl' (all: name: function all name set.${name}) start (attrNames set);
  foldAttrs =
    function: start: sets:
    mapAttrs (_: lib.foldr function start) (zipAttrs sets);
  zipAttrs = zipAttrsWith (_: values: values);
  zipAttrsWithNames =
    names: function: sets:
    genAttrs names (name: function name (builtins.catAttrs name sets));
  mergeAttrsList = foldl' (all: set: all // set) { };
  optionalAttrs = condition: set: if condition then set else { };
  getAttrs = names: set: genAttrs names (name: set.${name});
  unionOfDisjoint =
    a: b:
    let
      both = attrNames (builtins.intersectAttrs a b);
    in
    if both == [ ] then a // b else throw "unionOfDisjoint: in both: ${builtins.toJSON both}";
  cartesianProduct =
    sets:
    foldl' (
      products: name:
      concatMap (product: map (value: product // { ${name} = value; }) sets.${name}) products
    ) [ { } ] (attrNames sets);
  cartesianProductOfSets = cartesianProduct;
  longestValidPathPrefix =
    path: set:
    if path == [ ] || !(isAttrs set && set ? ${builtins.head path}) then
      [ ]
    else
      [ (builtins.head path) ]
      ++ longestValidPathPrefix (builtins.tail path) set.${builtins.head path};

  attrByPath =
    path: default: set:
    if path == [ ] then
      set
    else if isAttrs set && set ? ${builtins.head path} then
      attrByPath (builtins.tail path) default set.${builtins.head path}
    else
      default;
  hasAttrByPath =
    path: set:
    path == [ ]
    || isAttrs set
    && set ? ${builtins.head path}
    && hasAttrByPath (builtins.tail path) set.${builtins.head path};
  getAttrFromPath =
    path: attrByPath path (throw "no attribute ${builtins.concatStringsSep "." path}");
  attrVals = names: set: map (name: set.${name}) names;
  setAttrByPath =
    path: value:
    lib.foldr (name: inner: { ${name} = inner; }) value path;
  updateManyAttrsByPath =
    updates: set:
    foldl' (
      all: update:
      recursiveUpdate all (setAttrByPath update.path (update.update (attrByPath update.path { } all)))
    ) set updates;
  recursiveUpdate = recursiveUpdateUntil (_: a: b: !(isAttrs a && isAttrs b));
  recursiveUpdateUntil =
    stop: a: b:
    let
      below =
        path: a: b:
        a
        // mapAttrs (
          name: value:
          let
            here = path ++ [ name ];
          in
          if a ? ${name} && !stop here a.${name} value then below here a.${name} value else value
        ) b;
    in
    below [ ] a b;
  matchAttrs =
    pattern: set:
    builtins.all (
      name:
      set ? ${name}
      && (
        if isAttrs pattern.${name} && isAttrs set.${name} then
          matchAttrs pattern.${name} set.${name}
        else
          pattern.${name} == set.${name}
      )
    ) (attrNames pattern);

  isDerivation = value: isAttrs value && value.type or null == "derivation";
  toDerivation =
    path:
    let
      place = builtins.storePath path;
      self = {
        type = "derivation";
        name = builtins.unsafeDiscardStringContext (
          builtins.substring 33 (-1) (builtins.baseNameOf path)
        );
        outPath = place;
        outputs = [ "out" ];
        out = self;
        outputName = "out";
      };
    in
    self;
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };
  getOutput =
    output: package:
    if package.outputSpecified or false then
      package
    else
      package.${output} or package.out or package;
  getBin = getOutput "bin";
  getLib = getOutput "lib";
  getDev = getOutput "dev";
  getMan = getOutput "man";
  getExe = package: getExe' package (package.meta.mainProgram or (lib.getName package));
  getExe' = package: name: "${getBin package}/bin/${name}";
  makeSearchPath =
    below: packages:
    builtins.concatStringsSep ":" (map (package: "${package}/${below}") (filter (x: x != null) packages));
  makeSearchPathOutput = output: below: packages: makeSearchPath below (map (getOutput output) packages);
  makeBinPath = makeSearchPathOutput "bin" "bin";
  makeLibraryPath = makeSearchPathOutput "lib" "lib";

  makeOverridable =
    function: arguments:
    let
      value = function arguments;
      more = {
        override = new: makeOverridable function (arguments // (if lib.isFunction new then new arguments else new));
        overrideDerivation = change: value // change value;
      };
    in
    if isAttrs value then
      value // more
    else if lib.isFunction value then
      lib.setFunctionArgs value (lib.functionArgs value) // more
    else
      value;
  callPackageWith =
    available: file: arguments:
    let
      function = if lib.isFunction file then file else import file;
    in
    makeOverridable function (
      builtins.intersectAttrs (lib.functionArgs function) available // arguments
    );
  genAttrsFrom = genAttrs;
}
