# Strings, and what is written as one.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    elemAt
    filter
    genList
    isAttrs
    isList
    isPath
    isString
    length
    match
    replaceStrings
    split
    stringLength
    substring
    ;
in
rec {
  inherit (builtins)
    baseNameOf
    compareVersions
    concatStringsSep
    dirOf
    hashString
    isString
    match
    parseDrvName
    replaceStrings
    split
    splitVersion
    storeDir
    stringLength
    substring
    toJSON
    toString
    unsafeDiscardStringContext
    ;
  replaceString = from: to: replaceStrings [ from ] [ to ];

  concatStrings = concatStringsSep "";
  concatMapStrings = function: list: concatStrings (map function list);
  concatMapStringsSep =
    separator: function: list:
    concatStringsSep separator (map function list);
  concatImapStrings = function: list: concatStrings (lib.imap1 function list);
  concatImapStringsSep =
    separator: function: list:
    concatStringsSep separator (lib.imap1 function list);
  concatMapAttrsStringSep =
    separator: function: set:
    concatStringsSep separator (lib.mapAttrsToList function set);
  concatLines = concatMapStrings (line: line + "\n");
  intersperse =
    separator: list:
    if length list < 2 then
      list
    else
      [ (builtins.head list) ]
      ++ builtins.concatMap (value: [
        separator
        value
      ]) (builtins.tail list);
  optionalString = condition: text: if condition then text else "";
  join = concatStringsSep;

  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      more = stringLength text - stringLength suffix;
    in
    more >= 0 && substring more (-1) text == suffix;
  hasInfix = infix: text: length (split (escapeRegex infix) (toString text)) > 1;
  removePrefix =
    prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then
      substring 0 (stringLength text - stringLength suffix) text
    else
      text;
  stringToCharacters = text: genList (index: substring index 1 text) (stringLength text);
  stringAsChars = function: text: concatMapStrings function (stringToCharacters text);
  splitString = separator: text: filter isString (split (escapeRegex separator) (toString text));
  trimWith =
    {
      start ? false,
      end ? false,
    }:
    text:
    let
      left = if start then elemAt (match "[ \t\n\r]*(.*)" text) 0 else text;
      right = match "(.*[^ \t\n\r])[ \t\n\r]*" left;
    in
    if !end then
      left
    else if right == null then
      ""
    else
      elemAt right 0;
  trim = trimWith {
    start = true;
    end = true;
  };
  removeTrailingNewline = text: removeSuffix "\n" text;
  fileContents = file: removeSuffix "\n" (builtins.readFile file);

  escape = characters: replaceStrings characters (map (c: "\\${c}") characters);
  escapeC = escape;
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeShellArg =
    value:
    let
      text = toString value;
    in
    if match "[[:alnum:],._+:@%/-]+" text == null then
      "'${replaceStrings [ "'" ] [ "'\\''" ] text}'"
    else
      text;
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  escapeNixString = text: escape [ "$" ] (builtins.toJSON text);
  escapeNixIdentifier =
    text: if match "[a-zA-Z_][a-zA-Z0-9_'-]*" text == null then escapeNixString text else text;
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];
  escapeURL = text: stringAsChars (c: if match "[a-zA-Z0-9_.~-]" c == null then throw "escapeURL: ${c}" else c) text;
  # What systemd makes of a path in the name of a unit.
  escapeSystemdPath =
    text:
    let
      inner = removeSuffix "/" (removePrefix "/" text);
    in
    if inner == "" then "-" else replaceStrings [ "-" "/" " " ] [ "\\x2d" "-" "\\x20" ] inner;
  toShellVar = name: value: "${name}=${escapeShellArg value}";
  toShellVars = vars: concatStringsSep "\n" (lib.mapAttrsToList toShellVar vars);

  lowerChars = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upperChars = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  toLower = replaceStrings upperChars lowerChars;
  toUpper = replaceStrings lowerChars upperChars;
  toSentenceCase = text: toUpper (substring 0 1 text) + substring 1 (-1) text;

  addContextFrom = from: text: substring 0 0 from + text;
  isStringLike = value: isString value || isPath value || value ? outPath || value ? __toString;
  isCoercibleToString = isStringLike;
  isConvertibleWithToString =
    value:
    isStringLike value
    || value == null
    || builtins.isInt value
    || builtins.isFloat value
    || builtins.isBool value
    || isList value && builtins.all isConvertibleWithToString value;
  isStorePath =
    value:
    isStringLike value
    && (
      let
        text = toString value;
      in
      substring 0 1 text == "/" && dirOf text == builtins.storeDir
    );
  inherit (builtins) isPath;

  toInt =
    text:
    let
      number = match "[ \t]*(-?)0*([0-9]+)[ \t]*" text;
      value = if number == null then null else builtins.fromJSON (elemAt number 1);
    in
    if number == null then
      throw "toInt: ${builtins.toJSON text} is no number"
    else if elemAt number 0 == "-" then
      -value
    else
      value;
  toIntBase10 = toInt;
  fixedWidthString =
    width: fill: text:
    if stringLength text >= width then text else fixedWidthString width fill (fill + text);
  fixedWidthNumber = width: number: fixedWidthString width "0" (toString number);
  versionOlder = a: b: builtins.compareVersions b a == 1;
  versionAtLeast = a: b: !versionOlder a b;
  versions = {
    major = version: elemAt (builtins.splitVersion version) 0;
    minor = version: elemAt (builtins.splitVersion version) 1;
    majorMinor =
      version:
      concatStringsSep "." (lib.take 2 (builtins.splitVersion version));
  };
  getName =
    package:
    if isString package then
      (builtins.parseDrvName package).name
    else
      package.pname or (builtins.parseDrvName package.name).name;
  getVersion =
    package:
    if isString package then
      (builtins.parseDrvName package).version
    else
      package.version or (builtins.parseDrvName package.name).version;
  nameFromURL = url: separator: builtins.head (splitString separator (baseNameOf url));
  sanitizeDerivationName =
    text:
    let
      clean = concatMapStrings (part: if isList part then "-" else part) (
        split "[^[:alnum:]+._?=-]+" (builtins.unsafeDiscardStringContext text)
      );
    in
    if clean == "" then "unknown" else clean;
  cleanSource = path: path;
  cleanSourceWith = { src, ... }: src;
  toHexString =
    number:
    let
      digit = substring (lib.mod number 16) 1 "0123456789ABCDEF";
    in
    if number < 16 then digit else toHexString (number / 16) + digit;
}
