//! `test`: everything that can be run here, and what could not and why.

mod newer_nix;
mod target_root;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::outcome::{Failure, Outcome};
use crate::problem::Problem;
use crate::process::{Invocation, find_program};
use crate::tools::{debian, programs};

/// Programs that some tests need.
const NEEDED: &[&str] = &["git", "nix", "age"];

/// Where tests note what they skip: one line `need<TAB>test<TAB>reason` each.
const SKIPS: &str = "FLEET_TEST_SKIPS";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Fail if tests are skipped for want of these (programs, or what a test names)
    #[arg(long, value_name = "NEED", value_delimiter = ',')]
    require: Vec<String>,
    /// Install nothing
    #[arg(long)]
    no_install: bool,
    /// Also run the tests that take minutes
    #[arg(long)]
    long: bool,
    /// Only tests whose name contains one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    #[serde(flatten)]
    counts: Counts,
    skips: &'a [Skip],
}

/// Something that was not tested.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Skip {
    need: String,
    test: String,
    reason: String,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let root = sources()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut missing = install_needed(arguments, context, &path);
    let install = !arguments.no_install && !context.global.offline;
    let newer = newer_nix::prepare(&root, install, context, &path);
    let target = target_root::prepare(&root, install, context, &path);
    let skips_file = tempfile::NamedTempFile::new()
        .map_err(|error| Problem::error("no-temporary-file", error.to_string()))?;
    let runner = choose(&path);
    let mut invocation = command(arguments, runner, &root).env(SKIPS, skips_file.path());
    match newer {
        Ok(directory) => invocation = invocation.env(newer_nix::VARIABLE, directory),
        Err(skip) => missing.push(skip),
    }
    match target {
        Ok(directory) => invocation = invocation.env(target_root::VARIABLE, directory),
        Err(skip) => missing.push(skip),
    }
    context.ui.remark(&format!("running {invocation}"));
    let mut counts = None;
    let output = context.runner.follow(&invocation, &mut |line| {
        context.ui.remark(line);
        if let Some(more) = runner.counts(line) {
            let sum = counts.get_or_insert_with(Counts::default);
            sum.passed += more.passed;
            sum.failed += more.failed;
            sum.skipped += more.skipped;
        }
    });
    let output = output.map_err(|error| Problem::error("tests-failed", error.to_string()))?;
    let Some(mut counts) = counts else {
        return Err(Failure::from(Problem::error(
            "tests-not-run",
            format!(
                "`{invocation}` ended with status {} before a test ran",
                output.status
            ),
        )));
    };
    if output.status != 0 && counts.failed == 0 {
        counts.failed = 1;
    }
    let noted = std::fs::read_to_string(skips_file.path())
        .map_err(|error| Problem::error("no-temporary-file", error.to_string()))?;
    let mut skips = parse_skips(&noted);
    if counts.skipped > 0 && !arguments.long {
        context.ui.remark(&format!(
            "skipped: {} tests that take minutes or are parts of others; --long runs them",
            counts.skipped
        ));
    }
    // A test that notes a skip counts as passed with the test runner.
    counts.skipped += skips.len();
    counts.passed = counts.passed.saturating_sub(skips.len());
    skips.extend(missing);
    report(&skips, context);
    let lacking: Vec<&str> = arguments
        .require
        .iter()
        .map(String::as_str)
        .filter(|need| skips.iter().any(|skip| skip.need == *need))
        .collect();
    if !lacking.is_empty() {
        let message = format!("tests were skipped for want of {}", lacking.join(", "));
        context
            .ui
            .problems(&[Problem::error("tests-skipped", message)], None);
    }
    context.ui.document(&Document {
        schema: "test/1",
        counts,
        skips: &skips,
    });
    let Counts {
        passed,
        failed,
        skipped,
    } = counts;
    context.ui.text(&format!(
        "{passed} passed, {failed} failed, {skipped} skipped"
    ));
    let good = failed == 0 && lacking.is_empty();
    Ok(if good {
        Outcome::Done
    } else {
        Outcome::Findings
    })
}

/// The directory of the sources that the tests are part of.
fn sources() -> Result<PathBuf, Failure> {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .and_then(|manifest| manifest.parent().map(Path::to_owned))
        .filter(|root| root.join("xtask/Cargo.toml").is_file())
        .ok_or_else(|| {
            Failure::from(
                Problem::error(
                    "no-sources",
                    "the tests belong to the repository of this tool",
                )
                .help("run `cargo xtask test` in it"),
            )
        })
}

/// Installs what is missing where that is possible; gives back what is not there then.
fn install_needed(arguments: &Arguments, context: &Context, path: &OsStr) -> Vec<Skip> {
    let lacking = || -> Vec<&'static programs::Program> {
        NEEDED
            .iter()
            .filter_map(|name| programs::program(name))
            .filter(|program| find_program(program.name, path).is_none())
            .collect()
    };
    let missing = lacking();
    if missing.is_empty() {
        return Vec::new();
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    let reason = if arguments.no_install {
        "not there, and --no-install was given".to_owned()
    } else if context.global.offline {
        "not there, and --offline was given".to_owned()
    } else {
        context
            .ui
            .remark(&format!("installing {}", packages.join(" ")));
        match debian::install(&*context.runner, &packages, path) {
            Ok(()) => "not there, though its package is".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    let still = lacking();
    let skip = |program: &&programs::Program| Skip {
        need: program.name.to_owned(),
        test: "everything that needs it".to_owned(),
        reason: reason.clone(),
    };
    still.iter().map(skip).collect()
}

/// Who runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TestRunner {
    Nextest,
    Cargo,
}

fn choose(path: &OsStr) -> TestRunner {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let in_home = home.is_some_and(|home| home.join("bin/cargo-nextest").is_file());
    if in_home || find_program("cargo-nextest", path).is_some() {
        TestRunner::Nextest
    } else {
        TestRunner::Cargo
    }
}

impl TestRunner {
    /// What a line of its output adds to the counts.
    fn counts(self, line: &str) -> Option<Counts> {
        let tail = match self {
            Self::Nextest => {
                let line = line.trim_start().strip_prefix("Summary [")?;
                line.split_once("run: ")?.1
            }
            Self::Cargo => line.strip_prefix("test result: ")?.split_once(". ")?.1,
        };
        let mut counts = Counts::default();
        for part in tail.split([',', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            match what {
                "passed" => counts.passed += number,
                "failed" | "timed" | "exec" => counts.failed += number,
                "skipped" | "ignored" => counts.skipped += number,
                _ => {}
            }
        }
        Some(counts)
    }
}

fn command(arguments: &Arguments, runner: TestRunner, root: &Path) -> Invocation {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut invocation = Invocation::new(cargo).directory(root);
    invocation = match runner {
        TestRunner::Nextest => invocation
            .args(["nextest", "run", "--workspace", "--no-fail-fast"])
            .args([
                "--status-level",
                "fail",
                "--final-status-level",
                "fail",
                "--no-tests",
                "warn",
            ]),
        TestRunner::Cargo => invocation.args([
            "test",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ]),
    };
    if runner == TestRunner::Nextest {
        invocation = match arguments.long {
            true => invocation.args(["--run-ignored", "all"]),
            false => invocation.args(["--profile", "short"]),
        };
    }
    invocation = invocation.arg("--");
    if arguments.long && runner == TestRunner::Cargo {
        invocation = invocation.arg("--include-ignored");
    }
    invocation
        .args(&arguments.filters)
        .env("NIX_CONFIG", nix_config())
}

/// What Nix needs beside its own configuration, without a change of `/etc`.
fn nix_config() -> String {
    let mut lines = vec!["extra-experimental-features = nix-command flakes".to_owned()];
    if rustix::process::geteuid().is_root() {
        // A machine without a daemon has no build users, and containers
        // allow no sandbox.
        lines.push("build-users-group =".to_owned());
        lines.push("sandbox = false".to_owned());
    }
    lines.extend(std::env::var("NIX_CONFIG"));
    lines.join("\n")
}

fn parse_skips(noted: &str) -> Vec<Skip> {
    let mut skips: Vec<Skip> = noted
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, '\t').map(str::to_owned);
            Some(Skip {
                need: fields.next()?,
                test: fields.next()?,
                reason: fields.next()?,
            })
        })
        .collect();
    skips.sort();
    skips.dedup();
    skips
}

/// What was not tested, by need.
fn report(skips: &[Skip], context: &Context) {
    let mut by_need: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for skip in skips {
        let tests = by_need.entry((&skip.need, &skip.reason)).or_default();
        tests.push(&skip.test);
    }
    for ((need, reason), tests) in by_need {
        context.ui.remark(&format!(
            "skipped for want of {need} ({reason}): {}",
            tests.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_understood() {
        let check = |runner: TestRunner, line, passed, failed, skipped| {
            let expect = Counts {
                passed,
                failed,
                skipped,
            };
            assert_eq!(runner.counts(line), Some(expect), "{line}");
        };
        let nextest = TestRunner::Nextest;
        check(
            nextest,
            "     Summary [   3.083s] 18 tests run: 18 passed, 2 skipped",
            18,
            0,
            2,
        );
        check(
            nextest,
            "Summary [ 1.4s] 7/18 tests run: 5 passed (1 slow), 1 failed, 1 timed out, 0 skipped",
            5,
            2,
            0,
        );
        check(
            nextest,
            "Summary [ 1.4s] 1 test run: 1 passed, 0 skipped",
            1,
            0,
            0,
        );
        check(
            TestRunner::Cargo,
            "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 4 filtered out; finished in 0.1s",
            3,
            1,
            2,
        );
        assert_eq!(
            nextest.counts("    Starting 24 tests across 4 binaries"),
            None
        );
        assert_eq!(TestRunner::Cargo.counts("test ui::x ... ok"), None);
    }

    #[test]
    fn noted_skips_are_read_once_each() {
        let skips = parse_skips("nix\ta::b\tno nix\nnix\ta::b\tno nix\nbroken\n");
        assert_eq!(skips.len(), 1);
        assert_eq!(
            (&*skips[0].need, &*skips[0].test, &*skips[0].reason),
            ("nix", "a::b", "no nix")
        );
    }
}
