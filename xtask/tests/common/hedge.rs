//! The fleet of `tests/fixtures/nixos-20.09`, grown to 17 hosts, in a repository of
//! its own and with its nixpkgs locked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Hosts that are made from those of the fixture: name, from which one, and what
/// they do beside.
const MORE: [(&str, &str, &str); 10] = [
    ("ash", "cedar", "services.gitea.enable = true;"),
    ("aspen", "birch", "services.postgresql.enable = true;"),
    ("beech", "elm", "services.bind.enable = true;"),
    ("cypress", "rowan", "services.samba.enable = true;"),
    ("holly", "birch", "services.tor.enable = true;"),
    ("juniper", "cedar", "services.redis.enable = true;"),
    ("larch", "elm", "services.transmission.enable = true;"),
    (
        "maple",
        "rowan",
        "services.xserver = { enable = true; desktopManager.xfce.enable = true; };",
    ),
    (
        "oak",
        "birch",
        "services.mosquitto = { enable = true; users = { }; };",
    ),
    ("pine", "cedar", "programs.zsh.enable = true;"),
];

/// The fleet.
pub struct Hedge {
    outer: TempDir,
}

impl Hedge {
    /// Writes it, with a nixpkgs (20.09) that is taken from a directory.
    pub fn new(nixpkgs: &Path) -> Self {
        let hedge = Self {
            outer: tempfile::tempdir().unwrap(),
        };
        let root = hedge.root();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/nixos-20.09");
        run(Command::new("cp").arg("-r").arg(fixture).arg(&root));
        let mut servers = String::new();
        for (name, model, extra) in MORE {
            let (from, to) = (
                root.join("machines").join(model),
                root.join("machines").join(name),
            );
            run(Command::new("cp").arg("-r").arg(from).arg(&to));
            replace(
                &to.join("default.nix"),
                &format!("hostName = \"{model}\""),
                &format!("hostName = \"{name}\""),
            );
            fs::write(to.join("extra.nix"), format!("{{ {extra} }}\n")).unwrap();
            servers.push_str(&format!(
                "        {name} = [ ./machines/{name}/extra.nix ];\n"
            ));
        }
        let flake = root.join("flake.nix");
        replace(
            &flake,
            "        elm = [ ];\n",
            &format!("        elm = [ ];\n{servers}"),
        );
        let url = format!("path:{}", nixpkgs.display());
        replace(&flake, "github:NixOS/nixpkgs/nixos-20.09", &url);
        // rspamd puts the place of a file into the derivation, which is that of the
        // whole tree: such a host changes with every commit.
        replace(
            &root.join("machines/hazel/configuration.nix"),
            "source = ./milter_headers.conf",
            "text = builtins.readFile ./milter_headers.conf",
        );
        hedge.git(&["init", "--quiet", "--initial-branch=main"]);
        hedge.git(&["config", "user.name", "t"]);
        hedge.git(&["config", "user.email", "t@host.example"]);
        hedge.git(&["add", "--all"]);
        run(Command::new("nix")
            .args(["--extra-experimental-features", "nix-command flakes"])
            .args(["flake", "lock"])
            .current_dir(&root));
        hedge.commit("the hedge");
        hedge
    }

    /// Where it stands.
    pub fn root(&self) -> PathBuf {
        self.outer.path().join("hedge")
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// Runs git.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(self.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Names of the hosts, sorted.
    pub fn hosts(&self) -> Vec<String> {
        let directory = fs::read_dir(self.root().join("machines")).unwrap();
        let mut names: Vec<String> = directory
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }
}

/// Puts `new` for the one place where a file says `old`.
fn replace(file: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(text.matches(old).count(), 1, "{}: {old}", file.display());
    fs::write(file, text.replacen(old, new, 1)).unwrap();
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}
