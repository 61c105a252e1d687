//! Results of long runs: rows of a table that a later run goes on with.
//!
//! A run that was cut off is taken up by the next one of the same programs: what is
//! in the table and as it should be is not tried again. What came to its end, or is of
//! other programs, is set aside, and the table begins anew.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::common::seed::number;

/// One trial, and how it came out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    pub trial: String,
    /// `new`, `old`, or what else it is.
    pub end: String,
    /// Who brought it there.
    pub by: String,
    /// The watchdog: when it was to act, when it began and when it was done, in
    /// milliseconds of the target's clock.
    pub deadline: Option<i64>,
    pub began: Option<i64>,
    pub done: Option<i64>,
    /// Where the operator's side took it, if it was killed and came back.
    pub then: Option<String>,
    /// Exit status of the operator's side; none if it was killed for good.
    pub status: Option<i32>,
    pub seconds: f64,
    /// How often what was done in it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// What is wrong; nothing if it is as it should be.
    pub wrong: Vec<String>,
}

fn or_dash(number: Option<i64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

impl Row {
    /// Milliseconds from the watchdog's deadline to its beginning.
    pub fn late(&self) -> Option<i64> {
        Some(self.began? - self.deadline?)
    }

    /// Milliseconds that it took.
    pub fn took(&self) -> Option<i64> {
        Some(self.done? - self.began?)
    }

    pub fn line(&self) -> String {
        format!(
            "{:<46} {:<4} {:<9} {:>10} {:>10} {:>10} {:>6} {:>6} {:<4} {:>4} {:>6.1} {}",
            self.trial,
            self.end,
            self.by,
            or_dash(self.deadline),
            or_dash(self.began),
            or_dash(self.done),
            or_dash(self.late()),
            or_dash(self.took()),
            self.then.as_deref().unwrap_or("-"),
            or_dash(self.status.map(i64::from)),
            self.seconds,
            if self.wrong.is_empty() {
                "right".to_owned()
            } else {
                self.wrong.join("; ")
            }
        )
    }
}

fn head() -> String {
    format!(
        "{:<46} {:<4} {:<9} {:>10} {:>10} {:>10} {:>6} {:>6} {:<4} {:>4} {:>6} verdict",
        "trial", "end", "by", "deadline", "began", "done", "late", "took", "then", "exit", "s"
    )
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    /// The programs that the rows are of.
    Of(String),
    Row(Row),
    /// All of it is there.
    Whole,
}

/// What was tried with a set of programs.
pub struct Table {
    path: PathBuf,
    rows: Mutex<BTreeMap<String, Row>>,
    file: Mutex<File>,
}

/// Tells the programs apart that were tried: tool, target's side, and this test.
fn programs() -> String {
    let own = std::env::current_exe().unwrap();
    let mut digest = blake3::Hasher::new();
    for path in [Path::new(env!("CARGO_BIN_EXE_xtask")), &own] {
        digest.update(&fs::read(path).unwrap());
    }
    digest.finalize().to_hex().to_string()
}

impl Table {
    /// The table of that name, with what an earlier run has left to go on from.
    pub fn open(name: &str) -> Self {
        Self::at(
            &Path::new(env!("CARGO_TARGET_TMPDIR")).join(name),
            &programs(),
        )
    }

    fn at(path: &Path, programs: &str) -> Self {
        let path = path.with_extension("jsonl");
        let text = fs::read_to_string(&path).unwrap_or_default();
        // One may be torn.
        let lines: Vec<Line> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let same = matches!(lines.first(), Some(Line::Of(of)) if of == programs);
        let whole = matches!(lines.last(), Some(Line::Whole));
        let mut rows = BTreeMap::new();
        if same && !whole {
            let right = lines.into_iter().filter_map(|line| match line {
                Line::Row(row) if row.wrong.is_empty() => Some((row.trial.clone(), row)),
                _ => None,
            });
            rows.extend(right);
        }
        if path.exists() && rows.is_empty() {
            fs::rename(&path, path.with_extension("before.jsonl")).unwrap();
        }
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        if rows.is_empty() {
            let first = serde_json::to_string(&Line::Of(programs.to_owned())).unwrap();
            writeln!(file, "{first}").unwrap();
        } else if !text.ends_with('\n') {
            writeln!(file).unwrap();
        }
        eprintln!("table: {}, {} rows of before", path.display(), rows.len());
        Self {
            path,
            rows: Mutex::new(rows),
            file: Mutex::new(file),
        }
    }

    /// The row of a trial that an earlier run has made.
    pub fn known(&self, trial: &str) -> Option<Row> {
        self.rows.lock().unwrap().get(trial).cloned()
    }

    pub fn add(&self, row: Row) {
        eprintln!("{}", row.line());
        self.write(&Line::Row(row.clone()));
        let mut rows = self.rows.lock().unwrap();
        rows.insert(row.trial.clone(), row);
        let lines: Vec<String> = rows.values().map(Row::line).collect();
        fs::write(
            self.path.with_extension("txt"),
            format!("{}\n{}\n", head(), lines.join("\n")),
        )
        .unwrap();
    }

    fn write(&self, line: &Line) {
        let mut text = serde_json::to_string(line).unwrap();
        text.push('\n');
        // One write: rows come from several threads.
        self.file
            .lock()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }
}

/// How many targets are tried side by side.
pub fn lanes() -> u32 {
    u32::try_from(number("FLEET_TEST_LANES", 4)).unwrap().max(1)
}

fn why(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").replace('\n', " ")
}

/// Runs trials, some side by side, each lane with something of its own, made anew
/// when a trial went wrong. All rows come back; those of an earlier run too.
pub fn run<T: Send, L>(
    name: &str,
    lanes: u32,
    trials: impl IntoIterator<Item = (String, T)>,
    make: impl Fn(u32) -> L + Sync,
    work: impl Fn(&mut L, &str, &T) -> Row + Sync,
) -> Vec<Row> {
    let table = Table::open(name);
    let mut rows = Vec::new();
    let mut queue = VecDeque::new();
    for (trial, what) in trials {
        match table.known(&trial) {
            Some(row) => rows.push(row),
            None => queue.push_back((trial, what)),
        }
    }
    let lanes = lanes.min(u32::try_from(queue.len()).unwrap());
    let (queue, rows) = (Mutex::new(queue), Mutex::new(rows));
    std::thread::scope(|scope| {
        for number in 1..=lanes {
            let (queue, rows, table, make, work) = (&queue, &rows, &table, &make, &work);
            scope.spawn(move || {
                let mut lane = None;
                loop {
                    let Some((trial, what)) = queue.lock().unwrap().pop_front() else {
                        break;
                    };
                    let worked = catch_unwind(AssertUnwindSafe(|| {
                        let lane = lane.get_or_insert_with(|| make(number));
                        work(lane, &trial, &what)
                    }));
                    let row = worked.unwrap_or_else(|panic| Row {
                        trial: trial.clone(),
                        end: "?".to_owned(),
                        wrong: vec![why(&*panic)],
                        ..Row::default()
                    });
                    if !row.wrong.is_empty() {
                        lane = None;
                    }
                    table.add(row.clone());
                    rows.lock().unwrap().push(row);
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    // With a wrong one it is not whole: the next run tries that again.
    judge(&rows);
    table.write(&Line::Whole);
    rows
}

/// All rows are as they should be.
fn judge(rows: &[Row]) {
    let bad: Vec<String> = rows
        .iter()
        .filter(|row| !row.wrong.is_empty())
        .map(Row::line)
        .collect();
    let mut ends = BTreeMap::<(&str, &str), usize>::new();
    for row in rows {
        *ends.entry((&row.end, &row.by)).or_default() += 1;
    }
    let ends: Vec<String> = ends
        .iter()
        .map(|((end, by), count)| format!("{count} {end} by {by}"))
        .collect();
    eprintln!(
        "{} trials, {} wrong; {}",
        rows.len(),
        bad.len(),
        ends.join(", ")
    );
    let mut counts = BTreeMap::<&str, u64>::new();
    for (what, count) in rows.iter().flat_map(|row| &row.counts) {
        *counts.entry(what).or_default() += count;
    }
    if !counts.is_empty() {
        eprintln!("{counts:?}");
    }
    let most = |times: &mut dyn Iterator<Item = i64>| times.max().unwrap_or_default();
    eprintln!(
        "the watchdog acted {} times, began at most {} ms after its deadline, took at most {} ms",
        rows.iter().filter(|row| row.began.is_some()).count(),
        most(&mut rows.iter().filter_map(Row::late)),
        most(&mut rows.iter().filter_map(Row::took)),
    );
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn a_run_that_was_cut_off_is_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("table");
    let row = |trial: &str, wrong: &[&str]| Row {
        trial: trial.to_owned(),
        wrong: wrong.iter().map(|it| (*it).to_owned()).collect(),
        ..Row::default()
    };
    let table = Table::at(&path, "x");
    table.add(row("good", &[]));
    table.add(row("bad", &["wrong"]));
    drop(table);
    // Cut off in the middle of a line.
    let mut file = File::options()
        .append(true)
        .open(path.with_extension("jsonl"))
        .unwrap();
    write!(file, "{{\"row\":{{\"tri").unwrap();
    let table = Table::at(&path, "x");
    assert_eq!(table.known("good"), Some(row("good", &[])));
    assert_eq!(table.known("bad"), None);
    table.add(row("bad", &[]));
    let table = Table::at(&path, "x");
    assert_eq!(
        table.known("bad"),
        Some(row("bad", &[])),
        "after a torn line"
    );
    let table_text = fs::read_to_string(path.with_extension("txt")).unwrap();
    assert_eq!(table_text.lines().count(), 3);
    // Other programs, and a run that is whole, begin anew.
    assert_eq!(Table::at(&path, "y").known("good"), None);
    let table = Table::at(&path, "y");
    table.add(row("good", &[]));
    table.write(&Line::Whole);
    assert_eq!(Table::at(&path, "y").known("good"), None);
}
