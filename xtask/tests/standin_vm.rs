//! The offline stand-in as a virtual machine: `system.build.vm` boots in QEMU, and a
//! host that cannot boot says so on its console.
//!
//! `FLEET_VM_KERNEL` and `FLEET_VM_MODULES` name a kernel where the machine has none of
//! its own (see `scripts/testbed/kernel.sh`).
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic
)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::need;

/// How long a machine may take under emulation, on a busy computer.
const DEADLINE: Duration = Duration::from_secs(180);

/// A machine that is switched off when it goes out of scope.
struct Machine {
    child: Child,
    console: Receiver<String>,
    seen: String,
}

impl Machine {
    /// Builds and boots a host made of one module; `None`, and noted, where something
    /// is missing. `forwards` is what QEMU is told about the network.
    fn boot(module: &str, forwards: &str) -> Option<Self> {
        for program in ["nix-build", "qemu-system-x86_64", "busybox", "cpio"] {
            need::need_program(program)?;
        }
        if std::env::var_os("FLEET_VM_KERNEL").is_none() {
            need::need_directory("FLEET_VM_MODULES")?;
        }
        let standin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nix/standin");
        let expression = format!(
            "let standin = import {}; in (standin.lib.nixosSystem {{ modules = [ {{
               nixpkgs.hostPlatform = \"x86_64-linux\";
               networking.hostName = \"probe\";
               fileSystems.\"/\".device = \"/dev/vda\";
               services.nginx.enable = true;
             }} {module} ]; }}).config.system.build.vm",
            standin.canonicalize().unwrap().display()
        );
        let output = Command::new("nix-build")
            .args(["--no-out-link", "--option", "sandbox", "false", "-E"])
            .arg(expression)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let built = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let mut child = Command::new(built.join("bin/run-probe-vm"))
            .env("QEMU_NET_OPTS", forwards)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (send, console) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in lines.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).replace('\r', "");
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Some(Self {
            child,
            console,
            seen: String::new(),
        })
    }

    /// Waits until the console shows a text.
    fn wait_for(&mut self, text: &str) {
        let begin = Instant::now();
        while !self.seen.contains(text) {
            let left = DEADLINE.saturating_sub(begin.elapsed());
            match self.console.recv_timeout(left) {
                Ok(line) => self.seen.push_str(&(line + "\n")),
                Err(why) => panic!("{why}: no {text:?} on the console:\n{}", self.seen),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The script ends QEMU when it is ended itself.
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn answer(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn a_host_boots_and_answers() {
    let port = free_port();
    let forward = format!("hostfwd=tcp:127.0.0.1:{port}-:80");
    let Some(mut machine) = Machine::boot("{ }", &forward) else {
        return;
    };
    machine.wait_for("Started nginx.service");
    machine.wait_for("Welcome to NixOS");
    let begin = Instant::now();
    let mut last = String::new();
    while begin.elapsed() < Duration::from_secs(30) {
        match answer(port) {
            Ok(text) if text.starts_with("HTTP/1.0 200 OK") => return,
            Ok(text) => last = text,
            Err(why) => last = why.to_string(),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("no answer: {last}\n{}", machine.seen);
}

#[test]
fn a_host_that_cannot_boot_says_so() {
    let module = "{ system.activationScripts.bad = \"echo broken on purpose; exit 1\"; }";
    let Some(mut machine) = Machine::boot(module, "") else {
        return;
    };
    machine.wait_for("The boot cannot go on");
    assert!(
        machine.seen.contains("broken on purpose"),
        "{}",
        machine.seen
    );
    assert!(
        !machine.seen.contains("Welcome to NixOS"),
        "{}",
        machine.seen
    );
}
