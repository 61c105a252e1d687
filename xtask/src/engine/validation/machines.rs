//! The virtual machines of hosts: what would build them.

use std::collections::BTreeMap;

use super::{Commit, Validation};
use crate::engine::evaluation::{Evaluation, Observer, Refusal};
use crate::problem::Problem;
use crate::proof::derivation::Facts;
use crate::tools::nix::{Itself, Request};
use crate::tree::Tree;

struct Nobody;

impl Observer for Nobody {
    fn host(&self, _: usize, _: &str, _: &Result<Facts, Refusal>) {}
}

impl Validation<'_> {
    /// Evaluates `system.build.vm` of hosts, each by what Nix makes of the tree.
    ///
    /// # Errors
    ///
    /// The place where trees stand cannot be written.
    pub fn machines(
        &self,
        tree: &Tree,
        commit: &Commit,
        hosts: &[String],
    ) -> Result<BTreeMap<String, Result<Facts, Refusal>>, Problem> {
        if hosts.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.stand.put(tree)?;
        let evaluation = Evaluation {
            nix: self.nix,
            request: Request {
                tree: self.stand.place().to_owned(),
                itself: Itself::Store {
                    attributes: commit.attributes.clone(),
                },
                nar_hash: None,
                inputs: self.inputs.clone(),
                hosts: Vec::new(),
                ask: vec!["vm"],
                views: BTreeMap::new(),
            },
            jobs: self.jobs,
            memory: self.memory,
            apart: false,
            observer: &Nobody,
        };
        Ok(evaluation.run(hosts).hosts)
    }
}
