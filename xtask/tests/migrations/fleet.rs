//! The whole fleet: each host from the tree as it is and taken back again, then
//! one after the other, in both orders.
//!
//! `cargo nextest run -p xtask --test migrations --run-ignored only --no-capture`

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::repository;

/// The share of what may move that has to leave the hosts, in percent.
const MOVED: u64 = 80;

#[allow(clippy::disallowed_methods)] // programs are started as a user starts them
fn command(program: &str) -> Command {
    Command::new(program)
}

struct Fleet {
    directory: tempfile::TempDir,
}

/// What one run said of its only host.
struct Run {
    status: i32,
    document: Value,
}

impl Run {
    fn host(&self) -> &Value {
        &self.document["hosts"][0]
    }

    fn outcome(&self) -> &str {
        self.host()["outcome"].as_str().unwrap()
    }

    fn number(&self, key: &str) -> u64 {
        self.host()[key].as_u64().unwrap()
    }

    fn kept(&self) -> u64 {
        let kept = self.host()["kept"].as_array().unwrap();
        // What names the machine is no definition that could move.
        let kept = kept
            .iter()
            .filter(|it| it["reason"] != "names this machine");
        kept.map(|it| it["lines"].as_u64().unwrap()).sum()
    }

    /// The lines that moved into each feature.
    fn features(&self) -> Vec<u64> {
        let features = self.host()["moved_to"].as_object().unwrap();
        features.values().map(|it| it.as_u64().unwrap()).collect()
    }

    fn is_equal(&self) -> bool {
        let fleet = self.document["fleet"].as_object().unwrap();
        fleet.len() == 17 && fleet.values().all(|it| it == "equal")
    }
}

impl Fleet {
    /// The repository as it was committed last.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fleet = Self { directory };
        let from = repository().canonicalize().unwrap();
        fleet.git(&["clone", "--quiet", from.to_str().unwrap(), "."]);
        fleet.git(&["checkout", "--quiet", "-B", "main"]);
        fleet
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = command("git")
            .args(arguments)
            .current_dir(self.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn xtask(&self, arguments: &[&str]) -> Run {
        let identity = ["GIT_AUTHOR", "GIT_COMMITTER"].map(|who| {
            [
                (format!("{who}_NAME"), "t"),
                (format!("{who}_EMAIL"), "t@host.example"),
            ]
        });
        let output = command(env!("CARGO_BIN_EXE_xtask"))
            .arg("--repo")
            .arg(self.root())
            .args(["--json", "--yes"])
            .args(arguments)
            .envs(identity.into_iter().flatten())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        Run {
            status: output.status.code().unwrap(),
            document: serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}")),
        }
    }

    fn hosts(&self) -> Vec<String> {
        let document = self.xtask(&["inventory"]).document;
        let hosts = document["hosts"].as_array().unwrap();
        let name = |host: &Value| host["name"].as_str().unwrap().to_owned();
        hosts.iter().map(name).collect()
    }
}

/// Rows of what was measured, and what is wrong with it.
#[derive(Default)]
struct Report {
    text: String,
    moved: u64,
    movable: u64,
    wrong: Vec<String>,
}

impl Report {
    fn new(title: &str) -> Self {
        let head = "host outcome lines then moved movable % features largest% kept kept% second undo proof";
        let mut report = Self::default();
        let _ = writeln!(report.text, "\n{title}\n{}", head.replace(' ', "\t"));
        report
    }

    fn row(&mut self, host: &str, run: &Run, second: &str, undo: &str) {
        let (moved, movable) = (run.number("moved"), run.number("movable"));
        let (lines, then) = (run.number("lines_before"), run.number("lines_after"));
        let features = run.features();
        let largest = features.iter().max().unwrap_or(&0) * 100 / moved.max(1);
        let (kept, count) = (run.kept(), features.len());
        let share = moved * 100 / movable.max(1);
        let proof = if run.is_equal() { "equal" } else { "NOT EQUAL" };
        let _ = writeln!(
            self.text,
            "{host}\t{}\t{lines}\t{then}\t{moved}\t{movable}\t{share}\t{count}\t{largest}\t{kept}\t{}\t{second}\t{undo}\t{proof}",
            run.outcome(),
            kept * 100 / lines.max(1),
        );
        self.moved += moved;
        self.movable += movable;
        let wrong = [
            (run.status != 0, "exit status"),
            (run.outcome() != "migrated", "outcome"),
            (!run.is_equal(), "proof"),
            (lines >= 100 && count < 3, "fewer than three features"),
            (
                // Of what was to move; a line that stays in the end makes it a little more.
                lines >= 100 && features.iter().any(|it| it * 100 > movable * 40),
                "a feature of more than 40 %",
            ),
            (kept * 100 > lines * 20, "more than 20 % kept"),
            (second == "again", "a second run"),
            (undo == "differs", "undo"),
        ];
        let wrong = wrong.into_iter().filter(|(is_wrong, _)| *is_wrong);
        self.wrong
            .extend(wrong.map(|(_, what)| format!("{host}: {what}")));
    }

    fn close(mut self) {
        let share = self.moved * 100 / self.movable.max(1);
        let _ = writeln!(
            self.text,
            "all\t\t\t\t{}\t{}\t{share}",
            self.moved, self.movable
        );
        eprintln!("{}", self.text);
        if share < MOVED {
            self.wrong.push(format!("{share} % moved"));
        }
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

#[test]
#[ignore = "a minute, of use when the migration changes"]
fn each_host_migrates_and_is_taken_back() {
    let fleet = Fleet::new();
    let mut report = Report::new("each from the tree as it is");
    for host in fleet.hosts() {
        let run = fleet.xtask(&["migrate", "host", &host, "--no-nix"]);
        fleet.xtask_undo();
        let left =
            fleet.git(&["status", "--porcelain", "--ignored"]) + &fleet.git(&["diff", "HEAD"]);
        report.row(
            &host,
            &run,
            "",
            if left.is_empty() { "same" } else { "differs" },
        );
    }
    report.close();
}

impl Fleet {
    fn xtask_undo(&self) {
        let status = command(env!("CARGO_BIN_EXE_xtask"))
            .arg("--repo")
            .arg(self.root())
            .args(["--yes", "migrate", "undo"])
            .status()
            .unwrap();
        assert!(status.success(), "undo");
    }

    /// Migrates hosts one after the other, each in a commit of its own.
    fn migrate_all(&self, title: &str, hosts: &[String]) {
        let mut report = Report::new(title);
        for host in hosts {
            let arguments = ["migrate", "host", host, "--no-nix", "--commit"];
            let run = self.xtask(&arguments);
            let head = self.git(&["rev-parse", "HEAD"]);
            let again = self.xtask(&arguments);
            let settled = again.outcome() == "unchanged"
                && again.status == 0
                && self.git(&["rev-parse", "HEAD"]) == head
                && self.git(&["status", "--porcelain"]).is_empty();
            report.row(host, &run, if settled { "nothing" } else { "again" }, "");
        }
        report.close();
    }
}

#[test]
#[ignore = "minutes, of use when the migration changes"]
fn the_fleet_migrates_in_listing_order() {
    let fleet = Fleet::new();
    fleet.migrate_all("one after the other", &fleet.hosts());
}

#[test]
#[ignore = "minutes, of use when the migration changes"]
fn the_fleet_migrates_in_reverse_order() {
    let fleet = Fleet::new();
    let mut hosts = fleet.hosts();
    hosts.reverse();
    fleet.migrate_all("one after the other, in reverse", &hosts);
}
