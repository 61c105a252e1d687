//! How time and memory grow with the number of hosts: generated fleets of 100
//! and of 1,000 hosts, each measured in a process of its own.
#![allow(clippy::unwrap_used, clippy::disallowed_macros)]

mod common;
#[path = "../tests/common/fleet.rs"]
mod fleet;

use std::hint::black_box;
use std::time::Instant;

use common::{Tables, respelt};
use xtask::process::{DuctRunner, Invocation, Runner};
use xtask::tree::Tree;

/// Names the task and the number of hosts to the process that measures.
const CHILD: &str = "FLEET_BENCH_CHILD";

const SIZES: [usize; 2] = [100, 1_000];
const TASKS: [&str; 2] = ["inventory", "proof"];

/// The most memory that this process has ever had, in MB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kilobytes.unwrap_or(f64::NAN) / 1024.0
}

fn run(task: &str, before: &Tree, after: &Tree, tables: &Tables) {
    match task {
        "inventory" => drop(black_box(tables.inventory(before))),
        _ => drop(black_box(tables.proof(before, after))),
    }
}

/// Prints seconds (the fastest of five runs: what else the machine does only adds) and the peak of memory in MB.
fn measure(task: &str, hosts: usize) {
    let tables = Tables::new();
    let before = fleet::generate(hosts);
    let after = respelt(&before);
    // The first run alone says what one process needs.
    let mut peak_memory = 0.0;
    let times: Vec<f64> = (0..5)
        .map(|round| {
            let started = Instant::now();
            run(task, &before, &after, &tables);
            let time = started.elapsed().as_secs_f64();
            if round == 0 {
                peak_memory = peak();
            }
            time
        })
        .collect();
    let fastest = times.into_iter().fold(f64::INFINITY, f64::min);
    println!("{fastest} {peak_memory}");
}

fn main() {
    if let Ok(child) = std::env::var(CHILD) {
        let (task, hosts) = child.split_once(' ').unwrap();
        return measure(task, hosts.parse().unwrap());
    }
    // `cargo test --benches` only wants to know that it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let own = std::env::current_exe().unwrap();
    let runner = DuctRunner::default();
    println!(
        "task         hosts     seconds   peak MB   per host against {} hosts",
        SIZES[0]
    );
    for task in TASKS {
        let mut per_host = None;
        for hosts in SIZES {
            let child =
                Invocation::new(own.to_str().unwrap()).env(CHILD, format!("{task} {hosts}"));
            let output = runner.run(&child).unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let (seconds, peak) = text.trim().split_once(' ').unwrap();
            let (seconds, peak): (f64, f64) = (seconds.parse().unwrap(), peak.parse().unwrap());
            let each = seconds / hosts as f64;
            let first = *per_host.get_or_insert(each);
            println!(
                "{task:<12} {hosts:>5} {seconds:>11.3} {peak:>9.0}   {:.2}",
                each / first
            );
        }
    }
}
