//! A small fleet to roll out: a flake of its own whose hosts are what a file says.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, must};

const FLAKE: &str = r#"{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  outputs = { nixpkgs, ... }: let
    hosts = builtins.fromJSON (builtins.readFile ./hosts.json);
  in {
    nixosConfigurations = builtins.mapAttrs (name: host: nixpkgs.lib.nixosSystem {
      modules = [
        ./modules/features/rollout-guard.nix
        ./base.nix
        (if host ? nixinate then { _module.args = { inherit (host) nixinate; }; } else { })
        {
          networking.hostName = name;
          features.rollout-guard.enable = host.guard or true;
          environment.etc."release".text = host.version;
          system.activationScripts.fault = host.fault or "";
          systemd.services.broken = {
            enable = host.broken or false;
            wantedBy = [ "multi-user.target" ];
            script = "exit 3";
          };
          systemd.services.web.environment = {
            PORT = toString (host.port or 8080);
            SAYS = host.version;
          };
        }
      ];
    }) hosts;
  };
}
"#;

const BASE: &str = r#"{ lib, ... }: {
  nixpkgs.hostPlatform = "x86_64-linux";
  fileSystems."/".device = "/dev/vda";
  boot.loader.systemd-boot.enable = true;
  # What a bad system may have done to the network is undone by a good one.
  system.activationScripts.network = "test ! -e /run/no-way-back; ip link set host0 up; systemctl start --no-block ssh";
  system.activationScripts.fault.deps = [ "network" ];
  systemd.services.web = {
    wantedBy = [ "multi-user.target" ];
    script = ''
      exec perl -MIO::Socket::INET -e '
        my $s = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die;
        while (my $c = $s->accept) { sysread $c, my $r, 4096;
          print $c "HTTP/1.0 200 OK\r\nContent-Length: " . length($ENV{SAYS}) . "\r\n\r\n$ENV{SAYS}"; close $c }'
    '';
  };
}
"#;

/// Times that make a watchdog wait half a minute and not ten.
pub const TIMES: &str = "[rollout]\ncommand-timeout = 5\nbuild-timeout = 120\ncopy-timeout = 20\n\
    activation-timeout = 10\nsoak = 1\ninterval = 0.4\ncheck-timeout = 5\ncommit-timeout = 8\n\
    lock-timeout = 3\nreboot-timeout = 20\nbake = 2\n";

/// What a host is to be: the keys that the flake reads.
pub type Host = BTreeMap<&'static str, Value>;

pub struct Fleet<'a> {
    pub bed: &'a Bed,
    pub place: PathBuf,
    hosts: BTreeMap<String, Host>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

impl<'a> Fleet<'a> {
    /// `settings` is what fleet.toml says beside times.
    pub fn new(bed: &'a Bed, name: &str, hosts: &[(&str, &str, u32)], settings: &str) -> Self {
        let place = bed.path(name);
        // What a lane before had there.
        let _ = fs::remove_dir_all(&place);
        for directory in ["modules/features", "nix/rollout"] {
            fs::create_dir_all(place.join(directory)).unwrap();
        }
        for file in [
            "modules/features/rollout-guard.nix",
            "nix/rollout/fleet-rollout",
        ] {
            fs::copy(root().join(file), place.join(file)).unwrap();
        }
        fs::write(place.join("flake.nix"), FLAKE).unwrap();
        fs::write(place.join("base.nix"), BASE).unwrap();
        let mut toml = TIMES.to_owned() + settings;
        for (name, address, stage) in hosts {
            toml += &format!(
                "\n[hosts.{name}]\nstage = {stage}\nhealth = [{{ kind = \"tcp\", port = 8080, timeout = 3 }}]\n\
                 [hosts.{name}.deploy]\nhost = \"{address}\"\nuser = \"root\"\n"
            );
        }
        fs::write(place.join("fleet.toml"), toml).unwrap();
        let fleet = Self {
            bed,
            place,
            hosts: hosts
                .iter()
                .map(|(name, ..)| ((*name).to_owned(), Host::new()))
                .collect(),
        };
        fleet.git(&["init", "-q", "-b", "main"]);
        fleet
    }

    /// A repository that is there already.
    pub fn at(bed: &'a Bed, place: PathBuf) -> Self {
        let hosts = BTreeMap::new();
        Self { bed, place, hosts }
    }

    /// Commits whatever has changed.
    pub fn commit_all(&self) {
        self.git(&["checkout", "-q", "-B", "main"]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "state"]);
    }

    fn git(&self, arguments: &[&str]) {
        let place = self.place.to_str().unwrap();
        let mut words = vec![
            "-C",
            place,
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t.example",
        ];
        words.extend(arguments);
        must("git", &words);
    }

    /// Says what one host is to be.
    pub fn set(&mut self, host: &str, version: &str, more: &[(&'static str, Value)]) {
        let mut state = Host::from([("version", Value::from(version))]);
        state.extend(more.iter().cloned());
        self.hosts.insert(host.to_owned(), state);
    }

    pub fn set_all(&mut self, version: &str) {
        let names: Vec<String> = self.hosts.keys().cloned().collect();
        for name in names {
            self.set(&name, version, &[]);
        }
    }

    pub fn commit(&self) {
        let text = serde_json::to_string_pretty(&self.hosts).unwrap();
        fs::write(self.place.join("hosts.json"), text).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "state"]);
    }

    /// The tool, where the operator is.
    pub fn tool(&self, words: &[&str]) -> Command {
        let mut command = self.bed.operator(Path::new(env!("CARGO_BIN_EXE_xtask")));
        command
            .arg("--repo")
            .arg(&self.place)
            .args(["--offline", "--no-progress"])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// The closures of all hosts, built.
    pub fn closures(&self) -> BTreeMap<String, String> {
        let output = self
            .tool(&["rollout", "--all", "--plan", "--json", "--ssh-config"])
            .arg(self.bed.path("ssh_config"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        let document: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}{said}"));
        let hosts = document["plan"]["hosts"].as_array();
        let hosts = hosts.unwrap_or_else(|| panic!("{line}{said}"));
        hosts
            .iter()
            .map(|host| {
                let word = |key: &str| host[key].as_str().unwrap().to_owned();
                must(
                    "nix-store",
                    &[
                        "--realise",
                        &word("derivation"),
                        "--option",
                        "sandbox",
                        "false",
                        "--option",
                        "substitute",
                        "false",
                        "--option",
                        "extra-platforms",
                        "aarch64-linux",
                    ],
                );
                (word("name"), word("closure"))
            })
            .collect()
    }

    /// Starts a command whose journal is followed.
    pub fn start(&self, words: &[&str]) -> Operator {
        self.start_with(words, &[])
    }

    pub fn start_with(&self, words: &[&str], environment: &[(&str, &str)]) -> Operator {
        let log = self.place.with_extension("log");
        let errors = fs::File::options()
            .append(true)
            .create(true)
            .open(log)
            .unwrap();
        let mut command = self.tool(words);
        let config = self.bed.path("ssh_config");
        if words.first() != Some(&"--version") {
            command.arg("--ssh-config").arg(config);
        }
        let mut child = command
            .arg("--json")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str::<Value>(&line) {
                    let _ = sender.send(value);
                }
            }
        });
        Operator {
            child,
            lines,
            records: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Runs a command to its end.
    pub fn run(&self, words: &[&str]) -> (i32, Vec<Value>) {
        let mut operator = self.start(words);
        let status = operator.wait(Duration::from_secs(300));
        (status, std::mem::take(&mut operator.records))
    }

    /// The exit status of the newest rollout, from its journal.
    pub fn last_status(&self) -> i32 {
        let output = self
            .tool(&["rollout", "status", "--json"])
            .output()
            .unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let status = document["exit_status"].as_i64();
        status.and_then(|it| i32::try_from(it).ok()).unwrap_or(-1)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.place.with_extension("log")).unwrap_or_default()
    }
}

/// A tool that runs, and what it has written so far.
pub struct Operator {
    child: Child,
    lines: Receiver<Value>,
    pub records: Vec<Value>,
    /// What it says at its end: of every host, then of all.
    pub ends: Vec<Value>,
}

/// `host: task` of an intent.
pub fn intent(record: &Value) -> Option<(String, String)> {
    let record = &record["record"];
    if record["event"] != "begun" {
        return None;
    }
    let action = &record["action"];
    let task = action["task"]["task"].as_str()?;
    let what = action["task"]["unit"]
        .as_str()
        .filter(|_| task == "run")
        .unwrap_or(task);
    Some((
        action["host"].as_str().unwrap_or_default().to_owned(),
        what.to_owned(),
    ))
}

impl Operator {
    /// The next line, if it comes within that time.
    pub fn next(&mut self, time: Duration) -> Option<Value> {
        let value = self.lines.recv_timeout(time).ok()?;
        let list = match value["record"].is_null() {
            true => &mut self.ends,
            false => &mut self.records,
        };
        list.push(value.clone());
        Some(value)
    }

    /// Waits until a host's step begins; `false` if the tool ends before.
    pub fn until(&mut self, step: &str) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(120) {
            match self.next(Duration::from_millis(200)) {
                Some(record) => {
                    if intent(&record).is_some_and(|(_, what)| what == step) {
                        return true;
                    }
                }
                None => {
                    if self.child.try_wait().unwrap().is_some() && self.drain() {
                        return false;
                    }
                }
            }
        }
        false
    }

    /// Takes what is left; `true` if there was nothing.
    fn drain(&mut self) -> bool {
        let count = |it: &Self| it.records.len() + it.ends.len();
        let before = count(self);
        while self.next(Duration::from_millis(50)).is_some() {}
        count(self) == before
    }

    /// It has come to its end.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some() && self.drain()
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.drain();
    }

    /// The exit status.
    pub fn wait(&mut self, patience: Duration) -> i32 {
        let started = Instant::now();
        loop {
            while self.next(Duration::from_millis(1)).is_some() {}
            if let Some(status) = self.child.try_wait().unwrap() {
                self.drain();
                return status.code().unwrap_or(-1);
            }
            if started.elapsed() > patience {
                self.kill();
                panic!("the tool does not end: {:?}", self.records.last());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
