//! `tour`: the whole way on a scratch copy.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::context::Context;
use super::fleet::Reader;
use super::inventory;
use super::migrate;
use super::outcome::{Failure, Outcome};
use super::prove;
use super::validate;
use crate::inventory::Inventory;
use crate::problem::Problem;
use crate::process::Invocation;
use crate::taxonomy::Taxonomy;
use crate::tools::nix::Nix;
use crate::tree::{Kind, Tree};

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    command: String,
    status: u8,
    seconds: f64,
}

pub(super) fn run(context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let (snapshot, config) = context.read(&workspace)?;
    let reader = Reader::new();
    let fleet = reader.load_told(&snapshot.tree, context)?;
    let inventory = Inventory::take(&fleet, &snapshot.tree, &Taxonomy::embedded(), &config);
    let largest = inventory
        .hosts
        .iter()
        .filter(|host| host.not_followed.is_none())
        .max_by_key(|host| host.entry_lines)
        .map(|host| host.name.clone())
        .ok_or_else(Reader::no_hosts)?;
    let scratch = tempfile::tempdir().map_err(|error| scratch_failed(&error))?;
    let branch = config.branch.locked.as_deref().unwrap_or("main");
    copy(&snapshot.tree, scratch.path()).map_err(|error| scratch_failed(&error))?;
    make_repository(context, scratch.path(), branch)?;
    let inner = context.beside(scratch.path());
    let mut steps = Vec::new();
    let mut step = |words: &str, run: &dyn Fn() -> Result<Outcome, Failure>| {
        let palette = *context.ui.palette();
        let line = palette.strong(&format!("$ cargo xtask {words}"));
        inner.ui.text(&format!("\n{line}"));
        let started = Instant::now();
        let outcome = run()?;
        steps.push(Step {
            command: words.to_owned(),
            status: outcome.status(),
            seconds: started.elapsed().as_secs_f64(),
        });
        Ok::<Outcome, Failure>(outcome)
    };
    step("inventory", &|| {
        inventory::run(&inventory::Arguments::default(), &inner)
    })?;
    let migrated = step(&format!("migrate host {largest} --no-nix"), &|| {
        migrate::host(&largest, &inner)
    })?;
    step("prove HEAD --no-nix", &|| {
        prove::run(&prove::Arguments::against("HEAD"), &inner)
    })?;
    // Only the stand-in is sure to be evaluated in a few seconds.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = Nix::find(Arc::clone(&context.runner), &path).is_ok();
    if context.global.offline && is_there {
        let arguments = parsed::<validate::Arguments>(&["--only", "eval"]);
        step("validate --offline --only eval", &|| {
            validate::run(&arguments, &inner)
        })?;
    } else {
        inner.ui.remark(
            "the tour asks no Nix: with --offline it also evaluates every host against stand-ins for the inputs",
        );
    }
    let written = inner.workspace()?.has_history();
    if migrated == Outcome::Done && written {
        step("migrate undo", &|| migrate::undo(&inner))?;
    }
    context.ui.document(&Document {
        schema: "tour/1",
        steps,
    });
    inner
        .ui
        .text("\nthat was a scratch copy, and it is gone; nothing here has changed");
    Ok(migrated)
}

/// Arguments as they are on the command line.
fn parsed<A: clap::Args>(words: &[&str]) -> A {
    let command = A::augment_args(clap::Command::new("tour").no_binary_name(true));
    let matches = command.get_matches_from(words);
    A::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn scratch_failed(error: &std::io::Error) -> Failure {
    Problem::error("no-scratch-copy", error.to_string()).into()
}

/// Writes a tree to an empty directory.
fn copy(tree: &Tree, to: &Path) -> std::io::Result<()> {
    for (path, kind) in tree.files() {
        let target = to.join(path.as_str());
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let bytes = tree.raw(path).map_err(std::io::Error::other)?;
        if kind == Kind::Symlink {
            let text = std::str::from_utf8(&bytes).map_err(std::io::Error::other)?;
            std::os::unix::fs::symlink(text, &target)?;
            continue;
        }
        std::fs::write(&target, &bytes)?;
        if kind == Kind::Executable {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&target, mode)?;
        }
    }
    Ok(())
}

fn make_repository(context: &Context, directory: &Path, branch: &str) -> Result<(), Failure> {
    let identity = ["-c", "user.name=tour", "-c", "user.email=tour@localhost"];
    for args in [
        &["init", "--quiet", "--initial-branch", branch][..],
        &["add", "--all", "--force"],
        &[
            "commit",
            "--quiet",
            "--no-verify",
            "--message",
            "scratch copy",
        ],
    ] {
        let invocation = Invocation::new("git")
            .args(identity)
            .args(args)
            .directory(directory);
        let runner = Arc::clone(&context.runner);
        runner
            .run(&invocation)
            .map_err(|error| Problem::error("no-scratch-copy", error.to_string()))?;
    }
    Ok(())
}
