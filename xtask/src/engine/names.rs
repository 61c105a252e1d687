//! The hosts of a flake as Nix sees them, where the model does not see all.

use std::collections::BTreeMap;

use super::evaluation::prompt;
use super::stand::Stand;
use crate::problem::Problem;
use crate::tools::nix::{EvaluationError, Event, Input, Itself, Nix, Request};
use crate::tree::Tree;

/// The attributes of `nixosConfigurations`; none of them is evaluated.
///
/// # Errors
///
/// The tree cannot be written to its place, or Nix cannot evaluate the names: most
/// often because an input is not there.
pub fn host_names(
    nix: &Nix,
    stand: &Stand,
    inputs: &BTreeMap<String, Input>,
    tree: &Tree,
) -> Result<Vec<String>, Problem> {
    stand.put(tree)?;
    let request = Request {
        tree: stand.place().to_owned(),
        itself: Itself::Place,
        nar_hash: None,
        inputs: inputs.clone(),
        hosts: Vec::new(),
        ask: Vec::new(),
        views: BTreeMap::new(),
    };
    let mut found = None;
    let outcome = nix.evaluate(&request, prompt, &mut |event| {
        if let Event::Names(names) = event {
            found = Some(names);
        }
    });
    match (outcome, found) {
        (Ok(()), Some(names)) => Ok(names),
        (Ok(()), None) => Err(Problem::error("nix-failed", "Nix named no hosts")),
        (Err(EvaluationError::Nix(message)), _) => {
            Err(Problem::error("nix-failed", message.text.clone()))
        }
        (Err(EvaluationError::Run(error)), _) => {
            Err(Problem::error("nix-failed", error.to_string()))
        }
    }
}
