//! What functions do with what they are given, by their names.

use crate::model::term::{Key, Term, TermKind as K};

/// What a function does with what it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It asks what kind of a value it is.
    Asks,
    /// The result is, or holds, what is given.
    Keeps,
    /// A list or a set of what is given.
    Wraps,
    /// `{ name; value; }`.
    Pairs,
    /// One of the elements.
    Picks,
    /// What stands at a path.
    Digs,
    /// Its first argument is called with the elements; the result is made of what
    /// comes back.
    Maps,
    /// Its first argument is asked about the elements, which are kept.
    Filters,
    /// A function is called with anything that is given.
    Folds,
    /// Texts in a row, the separator first.
    Joins,
    /// A derivation: it names the place, which is pinned. Attributes of its argument
    /// are handed on by name.
    Builds,
    /// A file is called.
    Imports,
    /// A system is made: arguments and modules go into a module system of its own.
    Makes,
    /// A function of nixpkgs' library or of the language that reads nothing of what
    /// is in sets or lists.
    Library,
    /// Not known: it may read everything.
    Unknown,
}

fn effect(name: &str) -> Effect {
    match name {
        "all" | "any" | "elem" | "hasInfix" | "hasPrefix" | "hasSuffix" | "isAttrs" | "isBool"
        | "isDerivation" | "isFunction" | "isInt" | "isList" | "isPath" | "isString"
        | "isStorePath" | "isStringLike" | "stringLength" | "isType" | "isFlake" | "length"
        | "abort" | "throw" | "typeOf" | "versionAtLeast" | "versionOlder" => Effect::Asks,
        "id"
        | "assertMsg"
        | "deepSeq"
        | "seq"
        | "trace"
        | "traceVal"
        | "warn"
        | "warnIf"
        | "throwIf"
        | "throwIfNot"
        | "intersectAttrs"
        | "mkAfter"
        | "mkBefore"
        | "mkDefault"
        | "mkForce"
        | "mkIf"
        | "mkImageMediaOverride"
        | "mkMerge"
        | "mkOption"
        | "mkOptionDefault"
        | "mkOrder"
        | "mkOverride"
        | "mkVMOverride"
        | "optionalAttrs"
        | "optionalString"
        | "optionals"
        | "recursiveUpdate"
        | "removeAttrs"
        | "reverseList"
        | "setAttrByPath"
        | "tail"
        | "toString"
        | "unique"
        | "unsafeDiscardStringContext"
        | "mkAliasDefinitions"
        | "mkDefinition"
        | "escapeShellArg"
        | "escapeShellArgs"
        | "toJSON"
        | "drop"
        | "take"
        | "sublist"
        | "mergeAttrs"
        | "recursiveUpdateUntil"
        | "toShellVars"
        | "toShellVar" => Effect::Keeps,
        "match" | "optional" | "singleton" | "split" | "splitString" | "toList" => Effect::Wraps,
        "nameValuePair" => Effect::Pairs,
        "attrValues" | "catAttrs" | "concatLists" | "elemAt" | "findFirst" | "flatten" | "head"
        | "last" | "listToAttrs" | "mergeAttrsList" | "attrsToList" => Effect::Picks,
        "concatMap" | "concatMapAttrs" | "genAttrs" | "imap0" | "imap1" | "map" | "mapAttrs"
        | "mapAttrs'" | "mapAttrsToList" | "mapNullable" | "forEach" => Effect::Maps,
        "filter" | "filterAttrs" | "filterAttrsRecursive" | "partition" | "sort" | "remove" => {
            Effect::Filters
        }
        "foldl"
        | "foldl'"
        | "foldr"
        | "fold"
        | "foldAttrs"
        | "foldlAttrs"
        | "groupBy"
        | "mapAttrsRecursive"
        | "mapAttrsRecursiveCond"
        | "zipAttrsWith"
        | "zipListsWith" => Effect::Folds,
        "concatLines"
        | "concatMapStrings"
        | "concatMapStringsSep"
        | "concatStrings"
        | "concatStringsSep" => Effect::Joins,
        "appendOverlays" | "buildEnv" | "callPackage" | "callPackages" | "callPackageWith"
        | "extend" | "linkFarm" | "mkDerivation" | "mkShell" | "mkShellNoCC" | "override"
        | "overrideAttrs" | "overrideScope" | "overrideScope'" | "replaceVars" | "runCommand"
        | "runCommandCC" | "runCommandLocal" | "substituteAll" | "symlinkJoin" | "newScope"
        | "generate" => Effect::Builds,
        "attrByPath" | "getAttr" | "getAttrFromPath" => Effect::Digs,
        "import" | "importApply" => Effect::Imports,
        _ if name.starts_with("write") || name.starts_with("build") => Effect::Builds,
        _ => Effect::Unknown,
    }
}

/// Functions that make a system of modules, in whose library ever.
const MAKERS: [&str; 5] = [
    "darwinSystem",
    "evalModules",
    "homeManagerConfiguration",
    "nixOnDroidConfiguration",
    "nixosSystem",
];

fn is_maker(function: &Term) -> bool {
    match function.kind() {
        K::Select(base, keys, None) => {
            let is_named =
                matches!(keys.last(), Some(Key::Name(name)) if MAKERS.contains(&&**name));
            let mut own = false;
            base.walk(&mut |term| own |= matches!(term.kind(), K::Flake));
            is_named && !own
        }
        K::Bound(_, name) | K::WithVar(name, _) => MAKERS.contains(&&**name),
        _ => false,
    }
}

/// What a call does: known by the function's name, or of the library.
pub(super) fn effect_of(function: &Term) -> Effect {
    if is_maker(function) {
        return Effect::Makes;
    }
    let effect = name_of(function).map_or(Effect::Unknown, effect);
    if reads_files(function) {
        return Effect::Unknown;
    }
    match effect {
        Effect::Unknown if is_library(function) => Effect::Library,
        effect => effect,
    }
}

/// Whether a function is of a part of nixpkgs' library that reads files.
fn reads_files(function: &Term) -> bool {
    let reads = |key: &Key| matches!(key, Key::Name(name) if matches!(&**name, "fileset" | "filesystem" | "sources"));
    match function.kind() {
        K::Select(_, keys, None) => keys.iter().any(reads),
        K::Apply(function, _) => reads_files(function),
        _ => false,
    }
}

/// Whether a function is of the language or of nixpkgs' library, and none of those
/// that read what is in the set that they are given.
fn is_library(function: &Term) -> bool {
    let name = name_of(function).unwrap_or_default();
    let reads = name.starts_with("cleanSource")
        || name.starts_with("fetch")
        || matches!(
            name,
            "fromSource"
                | "getFlake"
                | "packagesFromDirectoryRecursive"
                | "path"
                | "pipe"
                | "scopedImport"
                | "toSource"
        );
    let is_lib = match function.kind() {
        K::Global(_) => true,
        K::Select(base, keys, None) => {
            let of_lib = matches!(base.kind(), K::Arg(name) | K::Bound(_, name) if &**name == "lib")
                || matches!(base.kind(), K::Global(_));
            let below = matches!(keys.first(), Some(Key::Name(name)) if &**name == "lib");
            let of_packages = match base.kind() {
                K::Arg(name) | K::Bound(_, name) | K::Input(name) => {
                    name.contains("pkgs") || matches!(&**name, "final" | "prev" | "self" | "super")
                }
                _ => false,
            };
            of_lib || below && of_packages
        }
        _ => false,
    };
    is_lib && !reads && !name.is_empty()
}

/// Whether a function calls a file with what it is given.
pub(super) fn hands_on(function: &Term) -> bool {
    matches!(effect_of(function), Effect::Builds | Effect::Imports)
}

/// How many parameters its callback has.
pub(super) fn arity(name: &str) -> u32 {
    match name {
        "concatMapAttrs"
        | "filterAttrs"
        | "filterAttrsRecursive"
        | "foldAttrs"
        | "foldl"
        | "foldl'"
        | "foldr"
        | "fold"
        | "imap0"
        | "imap1"
        | "mapAttrs"
        | "mapAttrs'"
        | "mapAttrsRecursive"
        | "mapAttrsToList"
        | "sort"
        | "zipAttrsWith"
        | "zipListsWith" => 2,
        "foldlAttrs" => 3,
        _ => 1,
    }
}

/// What a function is called, where it is of the language, of nixpkgs or of what
/// the module system gives.
pub(super) fn name_of(function: &Term) -> Option<&str> {
    match function.kind() {
        K::Global(name) | K::WithVar(name, _) => Some(name),
        K::Bound(_, name) => Some(name),
        K::Select(base, keys, None) => {
            let mut stranger = false;
            base.walk(&mut |term| {
                stranger |= match term.kind() {
                    K::Input(name) => !name.contains("nixpkgs"),
                    K::Flake | K::Inputs => true,
                    _ => false,
                };
            });
            match keys.last() {
                Some(Key::Name(name)) if !stranger => Some(name),
                _ => None,
            }
        }
        K::Apply(function, _) => name_of(function),
        _ => None,
    }
}
