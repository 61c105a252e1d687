# Licences by the names that descriptions of packages use.
{ lib }:
lib.genAttrs
  [
    "agpl3Only"
    "agpl3Plus"
    "asl20"
    "bsd2"
    "bsd3"
    "cc0"
    "gpl2Only"
    "gpl2Plus"
    "gpl3Only"
    "gpl3Plus"
    "isc"
    "lgpl21Plus"
    "lgpl3Plus"
    "mit"
    "mpl20"
    "unfree"
    "unfreeRedistributable"
    "unlicense"
    "zlib"
  ]
  (name: {
    shortName = name;
    free = builtins.match "unfree.*" name == null;
  })
