use proptest::prelude::*;

use super::notation::{SCALARS, SEPARATORS};
use super::*;

fn any_type() -> impl Strategy<Value = OptionType> {
    let leaf = prop_oneof![
        (0..SCALARS.len()).prop_map(|i| OptionType::Scalar(SCALARS[i].1)),
        (0..SEPARATORS.len()).prop_map(|i| OptionType::Text(SEPARATORS[i].1)),
        Just(OptionType::Submodule { freeform: None }),
        Just(OptionType::Attrs),
        Just(OptionType::Unspecified),
        Just(OptionType::Anything),
        Just(OptionType::Raw),
        Just(OptionType::DeferredModule),
        Just(OptionType::Unknown),
        "[a-zA-Z0-9-]{1,8}".prop_map(|name| OptionType::Custom(name.into())),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(OptionType::ListOf),
            boxed.clone().prop_map(OptionType::AttrsOf),
            boxed.clone().prop_map(OptionType::LazyAttrsOf),
            boxed.clone().prop_map(OptionType::LoaOf),
            boxed.clone().prop_map(OptionType::NullOr),
            boxed.clone().prop_map(OptionType::Uniq),
            boxed.clone().prop_map(OptionType::FunctionTo),
            boxed
                .clone()
                .prop_map(|f| OptionType::Submodule { freeform: Some(f) }),
            (boxed.clone(), boxed).prop_map(|(a, b)| OptionType::CoercedTo(a, b)),
            proptest::collection::vec(inner, 1..4).prop_map(OptionType::Either),
        ]
    })
}

proptest! {
    #[test]
    fn a_printed_type_reads_as_itself(kind in any_type()) {
        prop_assert_eq!(OptionType::parse(&kind.to_string()), kind);
    }

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,40}") {
        let _ = OptionType::parse(&text);
    }

    #[test]
    fn a_torn_expression_is_never_taken_for_a_splittable_type(
        kind in any_type(), cut in any::<proptest::sample::Index>()
    ) {
        let text = kind.to_string();
        let torn = &text[..cut.index(text.len())];
        prop_assert!(!OptionType::parse(torn).splittable() || torn == "submodule");
    }

    #[test]
    fn what_types_have_in_common_promises_no_more_than_each(
        a in any_type(), b in any_type()
    ) {
        let common = a.clone().common(b.clone());
        prop_assert_eq!(&common, &b.clone().common(a.clone()));
        if common.splittable() {
            prop_assert!(a.splittable() && b.splittable());
        }
        if !common.order_matters() {
            prop_assert!(!a.order_matters() && !b.order_matters());
        }
        prop_assert_eq!(a.clone().common(a.clone()), a);
    }
}

#[test]
fn deep_expressions_end_in_unknown() {
    let deep = format!("{}bool{}", "nullOr(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(OptionType::parse(&deep), OptionType::Unknown);
}

#[test]
fn malformed_expressions_are_unknown() {
    for text in [
        "",
        "bool ",
        "listOf",
        "listOf()",
        "listOf(bool,int)",
        "coercedTo(bool)",
        "submodule+",
        "submodule+freeform",
        "attrsOf(frobnicate)",
        "bool)",
    ] {
        assert_eq!(OptionType::parse(text), OptionType::Unknown, "{text}");
    }
}

#[test]
fn predicates_follow_the_merge_functions() {
    let check = |text, split, submodule, list, order| {
        let kind = OptionType::parse(text);
        assert_ne!(kind, OptionType::Unknown, "{text}");
        assert_eq!(kind.splittable(), split, "splittable: {text}");
        assert_eq!(kind.is_submodule(), submodule, "submodule: {text}");
        assert_eq!(kind.is_ordered_list(), list, "ordered list: {text}");
        assert_eq!(kind.order_matters(), order, "order: {text}");
    };
    check("bool", false, false, false, false);
    check("package", false, false, false, false);
    check("lines", false, false, true, true);
    check("nullOr(lines)", false, false, true, true);
    check("listOf(package)", false, false, true, true);
    check("attrsOf(str)", true, false, false, false);
    check("attrsOf(lines)", true, false, false, true);
    check("lazyAttrsOf(raw)", true, false, false, false);
    check("loaOf(submodule)", true, false, false, true);
    check("attrsOf(submodule)", true, false, false, true);
    check("submodule", true, true, false, true);
    check("submodule+freeform(attrsOf(str))", true, true, false, true);
    check("nullOr(submodule)", true, true, false, true);
    check("nullOr(attrsOf(int))", true, false, false, false);
    check("attrs", false, false, false, true);
    check("unspecified", false, false, false, true);
    check("anything", false, false, false, true);
    check("raw", false, false, false, false);
    check("uniq(attrsOf(str))", false, false, false, false);
    check("either(str,listOf(str))", false, false, false, true);
    check("either(attrsOf(str),submodule)", false, false, false, true);
    check("coercedTo(str,attrsOf(str))", false, false, false, false);
    check("functionTo(listOf(package))", false, false, false, true);
    check("deferredModule", false, false, false, true);
    check("custom(attrsOf)", false, false, false, true);
}

#[test]
fn kinds_of_sets_that_differ_become_the_weaker_one() {
    let check = |a, b, expect: &str| {
        let common = OptionType::parse(a).common(OptionType::parse(b));
        assert_eq!(common.to_string(), expect, "{a} and {b}");
    };
    check("attrsOf(submodule)", "loaOf(submodule)", "loaOf(submodule)");
    check("attrsOf(raw)", "lazyAttrsOf(unspecified)", "lazyAttrsOf(?)");
    check("lazyAttrsOf(raw)", "loaOf(raw)", "?");
    check("bool", "nullOr(bool)", "?");
    check("attrsOf(str)", "attrs", "?");
    check(
        "submodule",
        "submodule+freeform(attrs)",
        "submodule+freeform(?)",
    );
}
