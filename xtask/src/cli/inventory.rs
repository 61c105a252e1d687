//! `inventory`: what there is, and who needs whom.

use clap::{Args, ValueEnum};

use super::context::Context;
use super::fleet::Reader;
use super::nix::Setup;
use super::outcome::{Failure, Outcome};
use crate::engine::names::host_names;
use crate::inventory::{self, Inventory};
use crate::problem::Problem;
use crate::taxonomy::Taxonomy;
use crate::tree::Tree;
use crate::ui::{self, Align, Table};
use crate::workspace::Workspace;

/// How to show the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// A table for people
    #[default]
    Table,
    /// A JSON document, as with --json
    Json,
    /// A document with tables
    Markdown,
    /// The graph of needs for Graphviz
    Dot,
    /// The graph of needs for Mermaid
    Mermaid,
    /// The graph of needs as a drawing
    Svg,
}

#[derive(Debug, Default, Args)]
pub(super) struct Arguments {
    /// How to show the hosts
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Do not ask Nix for the hosts that could not be followed, even if it is there
    #[arg(long)]
    no_nix: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let (snapshot, config) = context.read(&workspace)?;
    let tree = &snapshot.tree;
    let task = context.ui.progress().task("hosts", 1);
    let fleet = context.cancel.harmless(|| Reader::new().draft(tree));
    let mut taxonomy = Taxonomy::embedded();
    let features = config.features.iter();
    let mut found = taxonomy.extend(features.map(|(name, spec)| (name.as_str(), spec)));
    let mut inventory = Inventory::take(&fleet, tree, &taxonomy, &config);
    drop(task);
    inventory.problems.append(&mut found);
    let is_hidden = |problem: &Problem| problem.code == "hosts-not-followed";
    if !arguments.no_nix && inventory.problems.iter().any(is_hidden) {
        ask_nix(&mut inventory, context, &workspace, tree);
    }
    context.ui.problems(&inventory.problems, Some(tree));
    if context.ui.is_json() {
        context.ui.document(&inventory);
    } else {
        show(arguments.format, &inventory, context, tree)?;
    }
    if inventory.hosts.is_empty() {
        context
            .ui
            .remark("no hosts: the flake has no nixosConfigurations that can be listed");
        return Ok(Outcome::Findings);
    }
    Ok(if fleet.is_broken() {
        Outcome::Findings
    } else {
        Outcome::Done
    })
}

/// Hosts that are made out of the model's sight, from Nix, if it is there and can.
fn ask_nix(inventory: &mut Inventory, context: &Context, workspace: &Workspace, tree: &Tree) {
    let Ok(setup) = Setup::find(context, workspace, tree) else {
        return;
    };
    match host_names(&setup.nix, &setup.stand, &setup.inputs, tree) {
        Ok(names) => inventory.reconcile(&names),
        Err(problem) => inventory.problems.push(Problem::note(
            "hosts-not-named",
            format!("Nix cannot name the hosts either: {}", problem.message),
        )),
    }
}

fn show(
    format: Format,
    inventory: &Inventory,
    context: &Context,
    tree: &Tree,
) -> Result<(), Failure> {
    let text = match format {
        Format::Table => {
            context.ui.text(&table(inventory, context));
            return Ok(());
        }
        Format::Json => match serde_json::to_string_pretty(inventory) {
            Ok(text) => text + "\n",
            Err(error) => return Err(Failure::from(Problem::error("bug", error.to_string()))),
        },
        Format::Markdown => inventory::markdown::render(inventory, tree),
        Format::Dot => inventory::dot::render(inventory),
        Format::Mermaid => inventory::mermaid::render(inventory),
        Format::Svg => inventory::svg::render(inventory),
    };
    context.ui.raw(text.as_bytes());
    Ok(())
}

fn table(inventory: &Inventory, context: &Context) -> String {
    let mut table = Table::new(&[
        ("host", Align::Left),
        ("system", Align::Left),
        ("role", Align::Left),
        ("stage", Align::Right),
        ("deploy", Align::Left),
        ("files", Align::Right),
        ("lines", Align::Right),
        ("monolithic", Align::Right),
        ("secrets", Align::Right),
        ("needs", Align::Left),
    ]);
    let mut lines = 0;
    for host in &inventory.hosts {
        let needs = match &host.not_followed {
            Some(why) => format!("not followed: {why}"),
            None => needs(host),
        };
        let deploy = host.deploy.as_ref().and_then(|deploy| deploy.host.clone());
        lines += host.lines;
        table.row([
            host.name.clone(),
            host.system.clone().unwrap_or_else(|| "?".to_owned()),
            host.roles.first().cloned().unwrap_or_default(),
            host.stage
                .map_or_else(String::new, |stage| stage.to_string()),
            deploy.unwrap_or_default(),
            host.module_files.len().to_string(),
            host.lines.to_string(),
            format!("{:.0} %", host.monolithic_share * 100.0),
            host.secrets.len().to_string(),
            needs,
        ]);
    }
    let count = inventory.hosts.len();
    let lost = inventory
        .hosts
        .iter()
        .filter(|host| host.not_followed.is_some())
        .count();
    let edges: usize = inventory.hosts.iter().map(|host| host.needs.len()).sum();
    let mut out = table.render(context.ui.palette());
    out.push_str(&format!(
        "{}, {} of their own, {}",
        ui::count(count, "host"),
        ui::count(lines, "line"),
        ui::count(edges, "need")
    ));
    if lost > 0 {
        out.push_str(&format!(", {lost} not followed"));
    }
    out.push('\n');
    out
}

/// `beacon (vpn, dns) silo (storage)`.
fn needs(host: &inventory::HostEntry) -> String {
    let mut parts: Vec<(&str, Vec<&str>)> = Vec::new();
    for need in &host.needs {
        let kind = need.kind.name();
        match parts.last_mut() {
            Some((name, kinds)) if *name == need.host => {
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            _ => parts.push((&need.host, vec![kind])),
        }
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|(name, kinds)| format!("{name} ({})", kinds.join(", ")))
        .collect();
    parts.join(" ")
}
