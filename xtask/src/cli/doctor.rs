//! `doctor`: what of the programs is there, and what to do about the rest.

use std::time::Duration;

use serde::Serialize;

use super::context::Context;
use super::outcome::{Failure, Outcome};
use crate::process::Invocation;
use crate::tools::programs::{self, Need, PROGRAMS, Program};
use crate::ui::{Align, Table};

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    tools: Vec<Tool>,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    required: bool,
    path: Option<String>,
    version: Option<String>,
    purpose: &'static str,
    help: Option<String>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    holds: bool,
    detail: String,
    help: Option<&'static str>,
}

fn tool(context: &Context, program: &Program, path: &std::ffi::OsStr) -> Tool {
    let found = programs::find(&*context.runner, program, path);
    let help = match &found {
        None if program.package.is_empty() => {
            Some(format!("nix profile install nixpkgs#{}", program.name))
        }
        None => Some(format!("apt-get install {}", program.package)),
        Some(found) if found.version.is_none() => Some(format!(
            "it is there but does not run: try `{} {}`",
            program.name, program.version
        )),
        Some(_) => None,
    };
    Tool {
        name: program.name,
        required: program.need == Need::Required,
        path: found.as_ref().map(|found| found.path.display().to_string()),
        version: found.and_then(|found| found.version),
        purpose: program.purpose,
        help,
    }
}

/// What a program that is there must also be able to do.
fn checks(context: &Context, tools: &[Tool]) -> Vec<Check> {
    let mut checks = Vec::new();
    if tools
        .iter()
        .any(|tool| tool.name == "nix" && tool.version.is_some())
    {
        let asked = Invocation::new("nix")
            .args(["eval", "--expr", "1 + 1"])
            .deadline(Duration::from_secs(30));
        let result = context.runner.run(&asked);
        checks.push(Check {
            name: "nix commands and flakes",
            holds: result.is_ok(),
            detail: result.map_or_else(
                |error| {
                    error
                        .stderr_tail
                        .lines()
                        .last()
                        .unwrap_or("it fails")
                        .to_owned()
                },
                |_| "`nix eval` works".to_owned(),
            ),
            help: Some(
                "set `experimental-features = nix-command flakes` in nix.conf or NIX_CONFIG",
            ),
        });
    }
    let kvm = rustix::fs::access(
        "/dev/kvm",
        rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK,
    );
    checks.push(Check {
        name: "hardware virtualisation",
        holds: kvm.is_ok(),
        detail: kvm.map_or_else(
            |error| format!("/dev/kvm: {error}"),
            |()| "/dev/kvm".to_owned(),
        ),
        help: Some("VM tests run without it, several times slower"),
    });
    checks
}

pub(super) fn run(context: &Context) -> Result<Outcome, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let task = context
        .ui
        .progress()
        .task("programs", PROGRAMS.len() as u64);
    let tools: Vec<Tool> = PROGRAMS
        .iter()
        .map(|program| {
            let tool = tool(context, program, &path);
            task.advance(program.name);
            tool
        })
        .collect();
    drop(task);
    let checks = checks(context, &tools);
    let palette = *context.ui.palette();
    let mut table = Table::new(&[
        ("what", Align::Left),
        ("found", Align::Left),
        ("for", Align::Left),
        ("what to do", Align::Left),
    ]);
    for tool in &tools {
        let found = tool.version.clone().unwrap_or_else(|| {
            (if tool.path.is_some() {
                "broken"
            } else {
                "missing"
            })
            .to_owned()
        });
        table.row([
            tool.name.to_owned(),
            found,
            tool.purpose.to_owned(),
            tool.help.clone().unwrap_or_default(),
        ]);
    }
    for check in &checks {
        let help = if check.holds {
            ""
        } else {
            check.help.unwrap_or_default()
        };
        table.row([check.name, &check.detail, "", help]);
    }
    context.ui.text(&table.render(&palette));
    let missing = tools
        .iter()
        .any(|tool| tool.required && tool.version.is_none());
    context.ui.document(&Document {
        schema: "doctor/1",
        tools,
        checks,
    });
    Ok(if missing {
        Outcome::Findings
    } else {
        Outcome::Done
    })
}
