//! The inventory as a document.

use std::fmt::Write;

use super::Inventory;
use crate::problem::{Span, line_col};
use crate::tree::Tree;

fn cell(text: &str) -> String {
    text.replace('<', "&lt;")
        .replace('|', "\\|")
        .replace('\n', " ")
}

fn place(span: Option<&Span>, tree: &Tree) -> String {
    span.map_or_else(String::new, |span| {
        let line = tree
            .text(&span.path)
            .map_or(1, |text| line_col(&text, span.start as usize).0);
        format!("{}:{line}", span.path)
    })
}

/// Hosts, needs and what was not followed, as tables.
pub fn render(inventory: &Inventory, tree: &Tree) -> String {
    let mut out = String::from(
        "# Inventory\n\n| host | system | roles | stage | deploy | modules | lines | monolithic | secrets | inputs | needs |\n| --- | --- | --- | ---: | --- | ---: | ---: | ---: | ---: | --- | --- |\n",
    );
    for host in &inventory.hosts {
        let mut needs: Vec<&str> = host.needs.iter().map(|need| need.host.as_str()).collect();
        needs.dedup();
        let deploy = host
            .deploy
            .as_ref()
            .and_then(|deploy| deploy.host.as_deref());
        let inputs: Vec<&str> = host.inputs.iter().map(String::as_str).collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {:.0} % | {} | {} | {} |",
            cell(&host.name),
            host.system.as_deref().unwrap_or("?"),
            cell(&host.roles.join(", ")),
            host.stage
                .map_or_else(String::new, |stage| stage.to_string()),
            cell(deploy.unwrap_or_default()),
            host.module_files.len(),
            host.lines,
            host.monolithic_share * 100.0,
            host.secrets.len(),
            cell(&inputs.join(", ")),
            cell(&needs.join(", ")),
        );
    }
    out.push_str(
        "\n## Needs\n\n| host | needs | for | option | place |\n| --- | --- | --- | --- | --- |\n",
    );
    for host in &inventory.hosts {
        for need in &host.needs {
            let _ = writeln!(
                out,
                "| {} | {} | {} | `{}` | {} |",
                cell(&host.name),
                cell(&need.host),
                need.kind.name(),
                cell(&need.path),
                place(need.span.as_ref(), tree),
            );
        }
    }
    let lost = inventory
        .hosts
        .iter()
        .filter_map(|host| Some((host, host.not_followed.as_ref()?)));
    let mut heading = "\n## Not followed\n\n";
    for (host, why) in lost {
        let _ = writeln!(out, "{heading}- {}: {}", cell(&host.name), cell(why));
        heading = "";
    }
    out
}
