//! What README.md shows is what the program prints.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use std::process::{Command, Stdio};

/// The blocks `$ cargo xtask migrate …` of the README: arguments, and lines of output.
fn examples(readme: &str) -> Vec<(Vec<&str>, Vec<&str>)> {
    readme
        .split("```console\n")
        .skip(1)
        .filter_map(|block| {
            let (block, _) = block.split_once("```")?;
            let (command, output) = block.split_once('\n')?;
            let arguments = command.strip_prefix("$ cargo xtask ")?;
            let arguments: Vec<&str> = arguments.split(' ').collect();
            (arguments.first() == Some(&"migrate")).then(|| (arguments, output.lines().collect()))
        })
        .collect()
}

#[test]
fn the_examples_are_real_output() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let examples = examples(&readme);
    assert!(!examples.is_empty());
    for (arguments, lines) in examples {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .current_dir(&root)
            .args(&arguments)
            .arg("--no-nix")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let mut printed = printed.lines();
        for line in lines.into_iter().filter(|line| *line != "…") {
            assert!(
                printed.any(|other| other == line),
                "{arguments:?} does not print, or not in this order: {line}"
            );
        }
    }
}
