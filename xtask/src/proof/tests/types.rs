//! What the type of an option refuses or changes.

use super::*;

/// An option of the type, defined with a value that an option of NixOS reads, is not
/// that option with the other value.
#[track_caller]
fn option(kind: &str, value: &str, other: &str, expect_equal: bool) {
    let module = |read: &str| {
        format!(
            "{{ lib, config, ... }}: {{ options.my.o = lib.mkOption {{ type = {kind}; }}; config = {{ my.o = {value}; boot.kernel.sysctl.x = {read}; }}; }}"
        )
    };
    let verdict = judge(
        &format!("#- /h.nix\n{}", module("config.my.o")),
        &format!("#- /h.nix\n{}", module(other)),
    );
    assert_eq!(
        verdict.judgement == Equal,
        expect_equal,
        "{kind} {value} {other}"
    );
}

#[test]
fn a_value_that_a_type_refuses_or_changes_is_not_certain() {
    for (kind, good, bad) in [
        ("lib.types.port", "80", "99999"),
        ("lib.types.ints.u8", "255", "256"),
        ("lib.types.ints.positive", "1", "0"),
        ("(lib.types.enum [ \"a\" \"b\" ])", "\"b\"", "\"c\""),
        ("lib.types.singleLineStr", "\"a\"", "\"a\\n\""),
        ("lib.types.nonEmptyStr", "\"a\"", "\" \""),
        ("lib.types.path", "\"/a\"", "\"a\""),
        (
            "(lib.types.listOf lib.types.singleLineStr)",
            "[ \"a\" ]",
            "[ \"a\\n\" ]",
        ),
        (
            "(lib.types.nullOr lib.types.singleLineStr)",
            "\"a\"",
            "\"a\\n\"",
        ),
        (
            "(lib.types.nonEmptyListOf lib.types.str)",
            "[ \"a\" ]",
            "[ ]",
        ),
        (
            "(lib.types.listOf lib.types.raw)",
            "[ { a = 1; } ]",
            "[ { _type = \"if\"; condition = false; content = 1; } ]",
        ),
    ] {
        option(kind, good, good, true);
        option(kind, bad, bad, false);
        let unknown = "config.networking.fqdn";
        if !["path", "raw"].iter().any(|open| kind.contains(open)) && !kind.contains("types.str") {
            option(kind, unknown, unknown, false);
        }
    }
}

#[test]
fn what_is_read_only_is_defined_once() {
    let module = |option: &str| {
        format!(
            "{{ lib, config, ... }}: {{ options.my.o = lib.mkOption {{ type = lib.types.str; {option} }}; config = {{ my.o = \"b\"; networking.domain = config.my.o; }}; }}"
        )
    };
    let plain = "#- /h.nix\n{ networking.domain = \"b\"; }";
    let side = |option: &str| format!("#- /h.nix\n{}", module(option));
    check(plain, &side("readOnly = true;"), Equal);
    check(plain, &side("default = \"a\";"), Equal);
    let both = side("readOnly = true; default = \"a\";");
    assert_ne!(judge(plain, &both).judgement, Equal);
}

/// A type that nothing reads is another one all the same; it is not called unknown.
#[test]
fn a_type_that_changed_is_a_difference() {
    let module = |kind: &str| {
        format!(
            "#- /h.nix\n{{ lib, ... }}: {{ options.my.o = lib.mkOption {{ type = {kind}; default = [ ]; }}; }}"
        )
    };
    let before = module("lib.types.listOf lib.types.str");
    let verdict = judge(
        &before,
        &module("let lib = null; in lib.types.listOf lib.types.str"),
    );
    assert_eq!(verdict.judgement, Different, "{:?}", verdict.differences);
    assert_eq!(
        verdict.differences[0].message,
        "the declaration of option `my.o` changed"
    );
    let removed = judge(&before, "#- /h.nix\n{ }");
    assert_eq!(removed.judgement, Equal, "{:?}", removed.differences);
}
