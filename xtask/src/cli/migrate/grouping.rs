//! How definitions are grouped, as the command line has it.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::super::outcome::{Failure, Outcome};
use crate::config::Config;
use crate::guard;
use crate::problem::Problem;
use crate::process::Quoted;
use crate::refactor::editable;
use crate::refactor::group::Grouping;
use crate::taxonomy::Taxonomy;
use crate::tree::TreePath;

/// How definitions are grouped into features.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct GroupingArguments {
    /// Put the options of a pattern into a feature; may be repeated
    #[arg(long = "feature", value_name = "NAME=PATTERN")]
    features: Vec<String>,
    /// Only these features
    #[arg(
        long,
        value_name = "FEATURE",
        value_delimiter = ',',
        conflicts_with = "except"
    )]
    only: Vec<String>,
    /// All features but these
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    except: Vec<String>,
    /// A grouping that `migrate plan HOST --edit` has written
    #[arg(long, value_name = "FILE")]
    grouping: Option<PathBuf>,
    /// Directory of feature modules, from the root of the flake
    #[arg(long, value_name = "DIR")]
    modules_dir: Option<String>,
}

impl GroupingArguments {
    /// The taxonomy with what fleet.toml and the command line add to it.
    pub(super) fn taxonomy(&self, config: &Config) -> Result<Taxonomy, Failure> {
        let mut taxonomy = Taxonomy::embedded();
        let specs = config.features.iter();
        let mut problems = taxonomy.extend(specs.map(|(name, spec)| (name.as_str(), spec)));
        problems.extend(taxonomy.extend_with_arguments(&self.features));
        if guard::refuses(&problems) {
            return Err(Failure {
                outcome: Outcome::Failed,
                problems,
            });
        }
        Ok(taxonomy)
    }

    /// The directory of feature modules, if the command line or fleet.toml says
    /// which.
    pub(super) fn directory(&self, config: &Config) -> Result<Option<TreePath>, Failure> {
        let Some(asked) = self.modules_dir.as_ref().or(config.modules_dir.as_ref()) else {
            return Ok(None);
        };
        let inside = TreePath::new(asked).filter(|path| *path != TreePath::root());
        inside.map(Some).ok_or_else(|| {
            Problem::error(
                "bad-directory",
                format!(
                    "{} is no directory inside of the flake",
                    Quoted(OsStr::new(asked))
                ),
            )
            .help("a path from the root of the flake, such as modules/features")
            .into()
        })
    }

    /// The grouping that was asked for.
    ///
    /// # Errors
    ///
    /// The file of a grouping cannot be read.
    pub(super) fn grouping(&self) -> Result<Grouping, Failure> {
        let pair = |text: &String| {
            let (name, pattern) = text.split_once('=')?;
            Some((name.trim().to_owned(), pattern.trim().to_owned()))
        };
        let mut features: Vec<(String, String)> = self.features.iter().filter_map(pair).collect();
        if let Some(path) = &self.grouping {
            let text = fs::read_to_string(path).map_err(|error| {
                let what = format!("{}: {error}", Quoted(path.as_os_str()));
                Problem::error("bad-grouping", what)
                    .help("`cargo xtask migrate plan HOST --edit` writes one and names it")
            })?;
            let pairs = editable::parse(&text).map_err(|mut problems| {
                for problem in &mut problems {
                    problem.message = format!("{}: {}", Quoted(path.as_os_str()), problem.message);
                }
                Failure {
                    outcome: Outcome::Failed,
                    problems,
                }
            })?;
            if pairs.is_empty() {
                let what = format!("{}: nothing to group", Quoted(path.as_os_str()));
                return Err(Problem::error("bad-grouping", what)
                    .help("the file is empty; without --grouping the proposal counts")
                    .into());
            }
            features.extend(pairs);
        }
        Ok(Grouping {
            features,
            only: self.only.clone(),
            except: self.except.clone(),
            ..Grouping::default()
        })
    }
}
