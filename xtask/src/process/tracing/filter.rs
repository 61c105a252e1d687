//! The filter that stops a program at the calls that name files.

use nix::libc;
use seccompiler::{BpfProgram, sock_filter};

use super::calls;

/// What the kernel hands on with a stop: the call is one that is known, …
pub(super) const KNOWN: libc::c_long = 1;
/// … or of another architecture than ours, where its number means something else.
pub(super) const FOREIGN: libc::c_long = 2;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Numbers from here on are of another architecture, too (x32).
const OTHERS: u32 = 0x4000_0000;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const END: u32 = libc::BPF_RET | libc::BPF_K;

/// Where the kernel puts what is decided by (`struct seccomp_data`).
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;

fn step(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt,
        jf,
        k,
    }
}

/// The filter: a short chain of comparisons and three ends. The calls that are made
/// most often come first.
pub(super) fn program() -> BpfProgram {
    let numbers: Vec<u32> = calls::all()
        .filter_map(|call| u32::try_from(call.number).ok())
        .collect();
    let count = u8::try_from(numbers.len()).unwrap_or(u8::MAX);
    let stop = |data: libc::c_long| libc::SECCOMP_RET_TRACE | u32::try_from(data).unwrap_or(0);
    let mut steps = vec![
        step(LOAD, ARCHITECTURE_AT, 0, 0),
        // From each place on: how many steps to leave out.
        step(IF_EQUAL, ARCHITECTURE, 0, count.saturating_add(4)),
        step(LOAD, NUMBER_AT, 0, 0),
        step(IF_AT_LEAST, OTHERS, count.saturating_add(2), 0),
    ];
    let left = (1..=count).rev();
    steps.extend(
        numbers
            .iter()
            .zip(left)
            .map(|(number, left)| step(IF_EQUAL, *number, left, 0)),
    );
    steps.extend([
        step(END, libc::SECCOMP_RET_ALLOW, 0, 0),
        step(END, stop(KNOWN), 0, 0),
        step(END, stop(FOREIGN), 0, 0),
    ]);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would make of it.
    fn decide(architecture: u32, number: u32) -> u32 {
        let steps = program();
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &steps[at];
            at += 1;
            let holds = match u32::from(step.code) {
                LOAD if step.k == NUMBER_AT => {
                    value = number;
                    continue;
                }
                LOAD => {
                    value = architecture;
                    continue;
                }
                IF_EQUAL => value == step.k,
                IF_AT_LEAST => value >= step.k,
                _ => return step.k,
            };
            at += usize::from(if holds { step.jt } else { step.jf });
        }
    }

    #[test]
    fn calls_that_name_files_stop_and_no_others() {
        let stop = |data: libc::c_long| libc::SECCOMP_RET_TRACE | data as u32;
        for call in calls::all() {
            assert_eq!(decide(ARCHITECTURE, call.number as u32), stop(KNOWN));
        }
        for number in [libc::SYS_read, libc::SYS_mmap, libc::SYS_getdents64] {
            let decided = decide(ARCHITECTURE, number as u32);
            assert_eq!(decided, libc::SECCOMP_RET_ALLOW);
        }
        let open = libc::SYS_openat as u32;
        assert_eq!(decide(ARCHITECTURE, open | OTHERS), stop(FOREIGN));
        assert_eq!(decide(0x4000_0003, 0), stop(FOREIGN));
    }
}
