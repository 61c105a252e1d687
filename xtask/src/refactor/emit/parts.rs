//! Pieces of generated text.

use std::collections::BTreeSet;

use rnix::ast;
use rowan::ast::AstNode;

use crate::refactor::anatomy::Anatomy;
use crate::refactor::carve::Piece;
use crate::refactor::draft::{Draft, OptionDecl};

/// The conventional order of module arguments.
pub(super) const FORMALS: [&str; 5] = ["config", "options", "lib", "pkgs", "modulesPath"];

/// Columns of a line, at most, as nixfmt has it.
const WIDTH: usize = 100;

pub(super) fn indent_more(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// `{ config, lib, ... }:` in the style of the source file.
pub(super) fn formals(anatomy: &Anatomy, names: &BTreeSet<String>) -> String {
    if names.is_empty() && anatomy.function().is_none() {
        return String::new();
    }
    let pattern = match anatomy.function().and_then(ast::Lambda::param) {
        Some(ast::Param::Pattern(pattern)) => Some(pattern),
        _ => None,
    };
    let mut ordered: Vec<String> = FORMALS
        .iter()
        .filter(|name| names.contains(**name))
        .map(|name| (*name).to_owned())
        .collect();
    let mut source = Vec::new();
    for entry in pattern.iter().flat_map(ast::Pattern::pat_entries) {
        let Some(ident) = entry.ident() else { continue };
        let name = ident.syntax().text().to_string();
        if !names.contains(&name) {
            continue;
        }
        let text = entry.syntax().text().to_string();
        match ordered.iter_mut().find(|known| **known == name) {
            Some(known) => *known = text,
            None => source.push(text),
        }
    }
    ordered.extend(source);
    let wide = pattern
        .as_ref()
        .is_some_and(|pattern| pattern.syntax().text().contains_char('\n'));
    format_formals(&ordered, wide)
}

/// Formats a parameter pattern with `...`.
pub fn format_formals(entries: &[String], wide: bool) -> String {
    let line: usize = entries.iter().map(|entry| entry.len() + 2).sum();
    if entries.is_empty() {
        "{ ... }:\n".to_owned()
    } else if wide || line > 80 {
        let mut text = String::from("{\n");
        for entry in entries {
            text.push_str(&format!("  {entry},\n"));
        }
        text.push_str("  ...\n}:\n");
        text
    } else {
        format!("{{ {}, ... }}:\n", entries.join(", "))
    }
}

pub(super) fn declarations(draft: &Draft, namespace: &str, text: &mut String) {
    let enable = format!("lib.mkEnableOption \"{}\";\n", escape(&draft.description));
    if draft.options.is_empty() {
        let name = format!("  options.{namespace}.{}.enable =", draft.name);
        let between = if name.len() + enable.len() > WIDTH {
            "\n    "
        } else {
            " "
        };
        text.push_str(&format!("{name}{between}{enable}"));
        return;
    }
    text.push_str(&format!("  options.{namespace}.{} = {{\n", draft.name));
    let between = if enable.len() + 13 > WIDTH {
        "\n      "
    } else {
        " "
    };
    text.push_str(&format!("    enable ={between}{enable}"));
    for option in &draft.options {
        text.push('\n');
        text.push_str(&option_text(option, 4));
    }
    text.push_str("  };\n");
}

/// The declaration of one option, at an indentation, with its last newline.
pub fn option_text(option: &OptionDecl, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut text = format!("{pad}{} = lib.mkOption {{\n", option.name);
    text.push_str(&format!("{pad}  type = {};\n", option.type_text));
    if let Some(default) = &option.default {
        text.push_str(&format!("{pad}  default = {default};\n"));
    }
    text.push_str(&format!(
        "{pad}  description = \"{}\";\n",
        escape(&option.description)
    ));
    text.push_str(&format!("{pad}}};\n"));
    text
}

/// Text for between double quotes.
pub fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "\\${")
        .replace('\n', " ")
}

pub(super) fn set_text(pieces: &[Piece], indent: usize) -> String {
    let mut text = String::from("{\n");
    for piece in pieces {
        if piece.blank {
            text.push('\n');
        }
        text.push_str(&piece.text);
        text.push('\n');
    }
    text.push_str(&" ".repeat(indent));
    text.push('}');
    text
}
