//! How much memory evaluations may take, and how it is shared out.
//!
//! Nix collects garbage whenever its heap is full, and spends up to half of its time
//! on that when the heap is small. So every process gets a heap in which its hosts
//! fit without a collection, as far as there is memory; how much a host needs is
//! learned from what earlier processes say of themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use crate::process::Invocation;

const MIB: u64 = 1 << 20;

/// The least that a process evaluates a host with in reasonable time.
const LEAST: u64 = 600 * MIB;

/// What a process needs beside its heap.
const BESIDE: u64 = 250 * MIB;

/// A heap that Nix takes by itself.
const USUAL_HEAP: u64 = 384 * MIB;

/// A larger heap costs more for its pages than it saves in collections.
const LARGEST_HEAP: u64 = 1280 * MIB;

/// A host that nothing is known of is assumed to need so much.
const FIRST_HEAP: u64 = 1024 * MIB;

/// Memory for all evaluations together.
pub struct Memory {
    limit: u64,
    /// Bytes that one host allocates, once that is known, and where it is kept.
    need: Mutex<Option<u64>>,
    file: Option<PathBuf>,
}

/// What one process gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Hosts that it evaluates, one after the other.
    pub hosts: usize,
    /// Its first heap, in bytes; `None` for what Nix takes by itself.
    pub heap: Option<u64>,
}

/// What a process says of itself.
#[derive(Deserialize)]
struct Statistics {
    gc: Collector,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Collector {
    total_bytes: u64,
}

impl Memory {
    /// At most `limit` bytes; three quarters of what is free, if there is none. What
    /// hosts need is kept below `state`.
    pub fn new(limit: Option<u64>, state: Option<&Path>) -> Self {
        let file = state.map(|state| state.join("memory-of-hosts"));
        let kept = file
            .as_ref()
            .and_then(|file| fs::read_to_string(file).ok())
            .and_then(|text| text.trim().parse().ok())
            .filter(|need| *need > 0);
        Self {
            limit: limit.unwrap_or_else(|| free().unwrap_or(2048 * MIB) / 4 * 3),
            need: Mutex::new(kept),
            file,
        }
    }

    /// How many of `jobs` processes fit at the same time; one always does.
    pub fn processes(&self, jobs: usize) -> usize {
        let fit = usize::try_from(self.limit / LEAST).unwrap_or(usize::MAX);
        jobs.min(fit).max(1)
    }

    /// What the next of `processes` gets, when `left` hosts are left.
    pub fn share(&self, processes: usize, left: usize) -> Share {
        let processes = processes.max(1);
        let each = self.limit / u64::try_from(processes).unwrap_or(1);
        let room = each.saturating_sub(BESIDE).min(LARGEST_HEAP);
        let Some(need) = *self.known() else {
            // One host of each process tells how it is with the others.
            return Share {
                hosts: 1,
                heap: beyond_usual(room.min(FIRST_HEAP)),
            };
        };
        let fit = usize::try_from(room / need.max(1)).unwrap_or(usize::MAX);
        let hosts = fit.clamp(1, left.div_ceil(processes).max(1));
        let wanted = need.saturating_mul(u64::try_from(hosts).unwrap_or(u64::MAX));
        // Some need more than others.
        let wanted = wanted.saturating_add(wanted / 8);
        Share {
            hosts,
            heap: beyond_usual(room.min(wanted)),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        self.need.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from the statistics of a process that has evaluated some hosts.
    pub fn learn(&self, statistics: &Path, hosts: usize) {
        let text = fs::read(statistics);
        let _ = fs::remove_file(statistics);
        let said = text.map(|text| serde_json::from_slice::<Statistics>(&text));
        let (Ok(Ok(said)), Ok(hosts @ 1..)) = (said, u64::try_from(hosts)) else {
            return;
        };
        let need = said.gc.total_bytes / hosts;
        let mut known = self.known();
        // What was learned first need not hold for all.
        *known = Some(known.map_or(need, |known| known.midpoint(need)).max(1));
        if let (Some(file), Some(need)) = (&self.file, *known) {
            // That it is not kept costs a little time, no more.
            let _ = file
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(file, need.to_string()));
        }
    }
}

impl Share {
    /// The command of a process, with its heap; it leaves its statistics in a file.
    pub fn apply(&self, invocation: Invocation, statistics: &Path) -> Invocation {
        let invocation = invocation
            .env("NIX_SHOW_STATS", "1")
            .env("NIX_SHOW_STATS_PATH", statistics);
        match self.heap {
            Some(heap) => invocation.env("GC_INITIAL_HEAP_SIZE", heap.to_string()),
            None => invocation,
        }
    }
}

fn beyond_usual(heap: u64) -> Option<u64> {
    (heap > USUAL_HEAP).then_some(heap)
}

/// Bytes of memory that are free on this machine.
fn free() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Reads an amount of memory: `800M`, `1.5G`, a plain number for bytes.
///
/// # Errors
///
/// It is none.
pub fn amount(text: &str) -> Result<u64, String> {
    let usage = || "write an amount like 800M or 1.5G".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => MIB,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(usage()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: u64 = whole.parse().map_err(|_| usage())?;
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(usage());
    }
    let thousandths: u64 = format!("{fraction:0<6}").parse().map_err(|_| usage())?;
    whole
        .checked_mul(factor)
        .and_then(|bytes| bytes.checked_add(factor.checked_mul(thousandths)? / 1_000_000))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read() {
        for (text, expect) in [
            ("1", Some(1)),
            ("800M", Some(800 * MIB)),
            ("1.5G", Some(1536 * MIB)),
            ("1.2GiB", Some(1_288_490_188)),
            ("2g", Some(2048 * MIB)),
            ("", None),
            ("G", None),
            ("-1", None),
            ("1.x", None),
            ("5 apples", None),
            ("0", None),
            ("99999999999T", None),
        ] {
            assert_eq!(amount(text).ok(), expect, "{text}");
        }
    }

    #[test]
    fn memory_is_shared_out_by_what_hosts_need() {
        let directory = tempfile::tempdir().unwrap();
        let statistics = directory.path().join("statistics");
        let learned = |limit: u64, need: u64| {
            let memory = Memory::new(Some(limit), Some(directory.path()));
            *memory.known() = None;
            let text = format!(r#"{{"gc":{{"heapSize":1,"totalBytes":{}}}}}"#, need * 2);
            fs::write(&statistics, text).unwrap();
            memory.learn(&statistics, 2);
            memory
        };
        let share = |memory: &Memory, jobs: usize, left: usize| {
            let share = memory.share(memory.processes(jobs), left);
            (share.hosts, share.heap.map(|heap| heap / MIB))
        };
        let unknown = Memory::new(Some(8192 * MIB), None);
        assert_eq!(share(&unknown, 2, 17), (1, Some(1024)));
        // Large hosts, and much memory: as many as fit.
        assert_eq!(
            share(&learned(8192 * MIB, 500 * MIB), 2, 17),
            (2, Some(1125))
        );
        // Little memory: one at a time, and what is left for its heap.
        assert_eq!(
            share(&learned(1400 * MIB, 800 * MIB), 2, 17),
            (1, Some(450))
        );
        assert_eq!(share(&learned(1200 * MIB, 800 * MIB), 2, 17), (1, None));
        // Small hosts go through few processes.
        assert_eq!(share(&learned(8192 * MIB, 10 * MIB), 2, 17), (9, None));
        let little = Memory::new(Some(MIB), None);
        assert_eq!((little.processes(8), little.share(1, 3).hosts), (1, 1));
        let kept = Memory::new(None, Some(directory.path()));
        assert_eq!(*kept.known(), Some(10 * MIB));
    }
}
