//! Targets: containers with a systemd, an sshd and a Nix of their own, and the
//! network between them and the operator, all in namespaces of this process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::need;

/// Begins the names of everything that has one outside of this process.
const PREFIX: &str = "ftb";

/// Begins the names of directories, before the number of their process.
const DIRECTORY: &str = "fleet-bed-";

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Runs and expects that it works.
pub fn must(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The network, and what all targets have in common.
pub struct Bed {
    name: String,
    lower: PathBuf,
    pub directory: TempDir,
    count: Mutex<u32>,
    /// Where tests are threads of one process: one after the other.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

/// Ends what an earlier run left behind that did not end by itself.
fn sweep() {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let mut parts = name.split('-');
        if parts.next() != Some(PREFIX) {
            continue;
        }
        let owner = parts.next().unwrap_or_default();
        if !Path::new("/proc").join(owner).exists() {
            for pid in run_lines("ip", &["netns", "pids", &name]) {
                run("kill", &["-KILL", &pid]);
            }
            run("ip", &["netns", "del", &name]);
            remove_groups(&name);
        }
    }
    for entry in fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let Some(rest) = name.strip_prefix(DIRECTORY) else {
            continue;
        };
        let owner = rest.split('-').next().unwrap_or_default();
        if Path::new("/proc").join(owner).exists() {
            continue;
        }
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let below = format!("{}/", entry.path().display());
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let mut places: Vec<&str> = places.filter(|place| place.starts_with(&below)).collect();
        places.sort_unstable();
        for place in places.into_iter().rev() {
            run("umount", &["-l", place]);
        }
        let _ = fs::remove_dir_all(entry.path());
    }
}

fn run_lines(program: &str, arguments: &[&str]) -> Vec<String> {
    let output = run(program, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

impl Bed {
    /// `None`, noted, where there can be none.
    pub fn new() -> Option<Self> {
        need::need_nix()?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        for program in [
            "systemd-nspawn",
            "ip",
            "nsenter",
            "ssh-keygen",
            "mount",
            "timeout",
        ] {
            if xtask::process::find_program(program, &path).is_none() {
                need::skip("testbed", &format!("there is no {program}"));
                return None;
            }
        }
        if !rustix::process::geteuid().is_root() {
            need::skip("testbed", "only root may make namespaces");
            return None;
        }
        let lower = std::env::var_os("FLEET_TEST_TARGET").map(PathBuf::from);
        let Some(lower) = lower.filter(|lower| lower.join("etc/NIXOS").exists()) else {
            need::skip("testbed", "FLEET_TEST_TARGET names no root of a target");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        sweep();
        let name = format!("{PREFIX}-{}-op", std::process::id());
        if !run("ip", &["netns", "add", &name]).status.success() {
            need::skip("testbed", "network namespaces cannot be made");
            return None;
        }
        let directory = tempfile::Builder::new()
            .prefix(&format!("{DIRECTORY}{}-", std::process::id()))
            .tempdir_in("/tmp")
            .unwrap();
        let bed = Self {
            name,
            lower,
            directory,
            count: Mutex::new(0),
            _turn: turn,
        };
        bed.ip("link set lo up");
        // Ports forward at once.
        bed.ip("link add br0 type bridge forward_delay 0");
        bed.ip("link set br0 up");
        bed.ip("addr add 192.0.2.254/24 dev br0");
        let key = bed.path("key");
        must(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()],
        );
        let config = format!(
            "Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  \
             UserKnownHostsFile /dev/null\n",
            key.display()
        );
        fs::write(bed.path("ssh_config"), config).unwrap();
        Some(bed)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ip(&self, words: &str) {
        let mut arguments = vec!["-n", &self.name];
        arguments.extend(words.split(' '));
        must("ip", &arguments);
    }

    /// A command in the operator's place of the network.
    pub fn operator(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// What runs in the operator's place of the network.
    pub fn operators_processes(&self) -> String {
        let pids = run_lines("ip", &["netns", "pids", &self.name]);
        let line = |pid: &String| fs::read(format!("/proc/{pid}/cmdline")).ok();
        let lines = pids.iter().filter_map(line);
        let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A target that is up, at an address of its own.
    pub fn target(&self, address: &str) -> Target {
        let number = {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            *count
        };
        let directory = self.path(&format!("t{number}"));
        fs::create_dir_all(directory.join("root")).unwrap();
        // A small file system of its own, so that it can be filled.
        must(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                "size=400m,mode=755",
                "tmpfs",
                directory.to_str().unwrap(),
            ],
        );
        for part in ["root", "upper", "layer"] {
            fs::create_dir_all(directory.join(part)).unwrap();
        }
        let root = directory.join("root");
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            self.lower.display(),
            directory.join("upper").display(),
            directory.join("layer").display()
        );
        must(
            "mount",
            &[
                "-t",
                "overlay",
                "overlay",
                "-o",
                &options,
                root.to_str().unwrap(),
            ],
        );
        let name = format!("{PREFIX}-{}-{number}", std::process::id());
        must("ip", &["netns", "add", &name]);
        let link = format!("v{number}");
        self.ip(&format!(
            "link add {link} type veth peer name host0 netns {name}"
        ));
        self.ip(&format!("link set {link} master br0"));
        self.ip(&format!("link set {link} up"));
        for words in [
            "link set lo up".to_owned(),
            format!("addr add {address}/24 dev host0"),
            "link set host0 up".to_owned(),
        ] {
            let mut arguments = vec!["-n", &name];
            arguments.extend(words.split(' '));
            must("ip", &arguments);
        }
        // Another machine may have had that address before.
        run("ip", &["-n", &self.name, "neigh", "flush", "dev", "br0"]);
        // Nothing that the stand-in builds is machine code.
        let conf = root.join("etc/nix/nix.conf");
        let text = fs::read_to_string(&conf).unwrap_or_default();
        fs::write(&conf, text + "extra-platforms = aarch64-linux\n").unwrap();
        // It notes who is logged in, and may fail on a busy machine.
        let mask = root.join("etc/systemd/system/systemd-update-utmp-runlevel.service");
        std::os::unix::fs::symlink("/dev/null", mask).unwrap();
        let home = root.join("root/.ssh");
        fs::create_dir_all(&home).unwrap();
        fs::copy(self.path("key.pub"), home.join("authorized_keys")).unwrap();
        let target = Target {
            operator: self.name.clone(),
            network: name,
            link,
            directory,
            address: address.to_owned(),
            machine: Arc::default(),
        };
        target.power_on();
        target.keep_on();
        target
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        run("ip", &["netns", "del", &self.name]);
    }
}

/// One machine.
pub struct Target {
    operator: String,
    network: String,
    link: String,
    directory: PathBuf,
    pub address: String,
    machine: Arc<Mutex<Machine>>,
}

/// The process that a machine is; a reboot ends it, and another one begins.
#[derive(Default)]
struct Machine {
    child: Option<Child>,
    /// It is not to be started again.
    off: bool,
}

/// Where control groups of our own can be made: those that a service manager keeps its
/// services in. Two managers in one would take each other's away.
fn control_groups() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let below = |prefix: &str| {
        let path = own.lines().find_map(|line| line.split_once(prefix))?.1;
        Some(path.trim_start_matches('/').to_owned())
    };
    let place = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        let own = match kind {
            "cgroup2" => below("0::")?,
            "cgroup" if fields.next()?.contains("name=systemd") => below(":name=systemd:")?,
            _ => return None,
        };
        Some(Path::new(place).join(own))
    };
    mounts.lines().filter_map(place).collect()
}

/// Removes the control groups of a machine that is off.
fn remove_groups(group: &str) {
    for place in control_groups() {
        let top = place.join(group);
        if let Some(top) = top.to_str().filter(|_| top.exists()) {
            run(
                "find",
                &[top, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"],
            );
        }
    }
}

/// Enters control groups, then becomes what follows `--`.
const ENTER: &str = "for group; do shift; [ \"$group\" != -- ] || break
    mkdir -p \"$group\" && echo $$ > \"$group/cgroup.procs\"; done 2> /dev/null; exec \"$@\"";

fn boot(directory: &Path, network: &str) -> Child {
    let console = File::options()
        .append(true)
        .create(true)
        .open(directory.join("console"))
        .unwrap();
    Command::new("sh")
        .args(["-c", ENTER, "sh"])
        .args(control_groups().iter().map(|place| place.join(network)))
        .args(["--", "systemd-nspawn", "-q", "-D"])
        .arg(directory.join("root"))
        .args(["--register=no", "--keep-unit", "-b", "--console=pipe"])
        .args(["--capability=CAP_NET_ADMIN", "--hostname=target"])
        // Machines of one name share a directory of nspawn, which the first that ends
        // removes.
        .arg(format!("--machine={network}"))
        .arg(format!("--network-namespace-path=/run/netns/{network}"))
        .stdin(Stdio::null())
        .stdout(console.try_clone().unwrap())
        .stderr(console)
        .spawn()
        .unwrap()
}

/// The only child of a process.
fn child(pid: u32) -> Option<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

impl Target {
    pub fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// Its first process, as we see it.
    pub fn leader(&self) -> Option<u32> {
        let machine = self.machine.lock().unwrap();
        child(machine.child.as_ref()?.id())
    }

    pub fn power_on(&self) {
        let mut machine = self.machine.lock().unwrap();
        machine.off = false;
        machine.child = Some(boot(&self.directory, &self.network));
        drop(machine);
        self.wait_until_up();
    }

    /// A reboot ends the container: it is started again, as firmware does.
    fn keep_on(&self) {
        let shared = Arc::downgrade(&self.machine);
        let (directory, network) = (self.directory.clone(), self.network.clone());
        std::thread::spawn(move || {
            while let Some(machine) = shared.upgrade() {
                let mut machine = machine.lock().unwrap();
                let ended = machine
                    .child
                    .as_mut()
                    .is_some_and(|child| child.try_wait().unwrap().is_some());
                if ended && !machine.off {
                    machine.child = Some(boot(&directory, &network));
                }
                drop(machine);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
    }

    pub fn wait_until_up(&self) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(180) {
            let state = self.inside("systemctl is-system-running").0;
            if ["running", "degraded"].contains(&state.trim()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let console = fs::read_to_string(self.directory.join("console"));
        panic!(
            "{} does not come up: {}",
            self.address,
            console.unwrap_or_default()
        );
    }

    /// As when the plug is pulled.
    pub fn power_off(&self) {
        let leader = self.leader();
        let mut machine = self.machine.lock().unwrap();
        machine.off = true;
        if let Some(leader) = leader {
            run("kill", &["-KILL", &leader.to_string()]);
        }
        if let Some(mut child) = machine.child.take() {
            let started = Instant::now();
            while child.try_wait().unwrap().is_none() {
                if started.elapsed() > Duration::from_secs(5) {
                    let _ = child.kill();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// What a shell inside prints, and its status.
    pub fn inside(&self, script: &str) -> (String, Option<i32>) {
        let Some(leader) = self.leader() else {
            return (String::new(), None);
        };
        let output = Command::new("timeout")
            .args([
                "60",
                "nsenter",
                "-t",
                &leader.to_string(),
                "-a",
                "--",
                "/usr/bin/env",
                "-i",
            ])
            .args([
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
                "sh",
                "-c",
                script,
            ])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (said, output.status.code())
    }

    /// The same, expected to work.
    pub fn must(&self, script: &str) -> String {
        let (said, status) = self.inside(&format!("exec 2>&1; {script}"));
        assert_eq!(status, Some(0), "{}: {script}: {said}", self.address);
        said.trim().to_owned()
    }

    pub fn link(&self, up: bool) {
        let state = if up { "up" } else { "down" };
        run(
            "ip",
            &["-n", &self.operator, "link", "set", &self.link, state],
        );
    }

    /// All its processes, as we see them.
    fn processes(&self) -> Vec<PathBuf> {
        let space = |place: &Path| fs::read_link(place.join("ns/pid")).ok();
        let Some(leader) = self.leader() else {
            return Vec::new();
        };
        let own = space(&Path::new("/proc").join(leader.to_string()));
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.map(|entry| entry.path())
            .filter(|place| own.is_some() && space(place) == own)
            .collect()
    }

    /// What its processes were started with: words and environment.
    pub fn started_with(&self) -> String {
        let mut text = String::new();
        for place in self.processes() {
            for part in ["cmdline", "environ"] {
                let bytes = fs::read(place.join(part)).unwrap_or_default();
                text += &String::from_utf8_lossy(&bytes).replace('\0', "\n");
            }
        }
        text
    }

    /// All its processes stand still, or go on.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        for place in self.processes() {
            run(
                "kill",
                &[signal, place.file_name().unwrap().to_str().unwrap()],
            );
        }
    }

    /// Puts a closure into its store.
    pub fn bring(&self, closure: &str) {
        let store = format!("local?root={}", self.root().display());
        must("nix", &["copy", "--no-check-sigs", "--to", &store, closure]);
    }

    /// Makes a closure that is in its store what it runs and boots.
    pub fn install(&self, closure: &str) {
        self.must(&format!(
            "nix-env -p /nix/var/nix/profiles/system --set {closure} && \
             {closure}/bin/switch-to-configuration switch || {{ journalctl -n 30 --no-pager; false; }}"
        ));
        self.must(&format!("ln -sfn {closure} /run/booted-system"));
    }

    /// What it runs, what its profile leads to, what it would boot.
    pub fn systems(&self) -> [String; 3] {
        let text = self.inside(
            "readlink -f /run/current-system; readlink -f /nix/var/nix/profiles/system; \
             init() { sed -n 's|.* init=\\([^ ]*\\)/init.*|\\1|p; s|^options init=\\([^ ]*\\)/init.*|\\1|p' \"$@\" | head -n 1; }; \
             if [ -e /boot/loader/loader.conf ]; then \
               init \"/boot/loader/entries/$(sed -n 's/^default //p' /boot/loader/loader.conf)\"; \
             elif [ -e /boot/grub/grub.cfg ]; then init /boot/grub/grub.cfg; \
             else init /boot/extlinux/extlinux.conf; fi",
        );
        let mut lines = text.0.lines().map(str::to_owned);
        std::array::from_fn(|_| lines.next().unwrap_or_default())
    }

    /// The generation of its profile.
    pub fn generation(&self) -> String {
        self.inside("readlink /nix/var/nix/profiles/system").0
    }

    /// A value of the newest record.
    pub fn record(&self, key: &str) -> String {
        let path = self.root().join("var/lib/fleet-rollout/current");
        let Ok(current) = fs::read_link(&path) else {
            return String::new();
        };
        let file = path.parent().unwrap().join(current).join(key);
        fs::read_to_string(file)
            .unwrap_or_default()
            .trim()
            .to_owned()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.freeze(false);
        self.power_off();
        run("umount", &["-l", self.root().to_str().unwrap()]);
        run("umount", &["-l", self.directory.to_str().unwrap()]);
        run("ip", &["netns", "del", &self.network]);
        remove_groups(&self.network);
    }
}
