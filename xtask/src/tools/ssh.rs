//! How ssh is called: commands as values, one connection per host that all share.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::Invocation;
use crate::rollout::Address;

/// Seconds after which a connection that does not come about counts as none.
const CONNECT: u32 = 10;

/// Seconds between signs of life, and how many may stay away.
const ALIVE: (u32, u32) = (3, 3);

/// Seconds after which a connection that nobody uses ends by itself: its owner was
/// killed and could not close it.
const IDLE: u32 = 600;

/// Begins the names of our directories, before the number of their process.
const PREFIX: &str = "fleet-ssh-";

/// Removes directories of processes that were killed long ago: a younger one may be
/// that of a process which is not seen from here, as from within a container.
fn sweep() {
    const LONG: Duration = Duration::from_secs(86_400);
    let is_old = |entry: &fs::DirEntry| {
        let made = entry.metadata().and_then(|it| it.modified());
        made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > LONG))
    };
    let entries = fs::read_dir("/tmp").into_iter().flatten().flatten();
    for entry in entries.filter(is_old) {
        let name = entry.file_name().into_string().unwrap_or_default();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        let is_number = |owner: &&str| owner.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(owner) = owner.filter(is_number)
            && !Path::new("/proc").join(owner).exists()
            && Path::new("/proc/self").exists()
        {
            // Somebody else's stay.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A command line that a POSIX shell reads back as these words.
pub fn quote(words: &[&str]) -> String {
    let quoted = |word: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            (*word).to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A directory of our own with what ssh needs; it ends with this value.
#[derive(Debug)]
pub struct Ssh {
    directory: tempfile::TempDir,
    program: PathBuf,
}

impl Ssh {
    /// Prepares connections. `config` takes the place of the user's and the
    /// machine's configuration.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn prepare(program: PathBuf, config: Option<&Path>) -> io::Result<Self> {
        // Sockets have short names: below /tmp and not wherever TMPDIR says. The
        // name must have no blanks either, as Nix takes its options as words.
        sweep();
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir_in("/tmp")?;
        let include = |path: &str| format!("Include {path}\n");
        let theirs = match config {
            Some(path) => include(&format!("\"{}\"", path.canonicalize()?.display())),
            None => include("~/.ssh/config") + &include("/etc/ssh/ssh_config"),
        };
        // A connection to a bastion is nobody's master: left behind, it would hold our
        // pipes open.
        let ours = format!(
            "ControlMaster no\nBatchMode yes\nConnectTimeout {CONNECT}\nServerAliveInterval {}\n\
             ServerAliveCountMax {}\nForwardAgent no\nForwardX11 no\nRequestTTY no\n\
             EscapeChar none\nLogLevel ERROR\n",
            ALIVE.0, ALIVE.1
        );
        fs::write(
            directory.path().join("config"),
            ours + "Match all\n" + &theirs,
        )?;
        Ok(Self { directory, program })
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.socket"))
    }

    /// What a connection that failed has said.
    pub fn said(&self, name: &str) -> String {
        let text = fs::read(self.directory.path().join(format!("{name}.log")));
        String::from_utf8_lossy(&text.unwrap_or_default())
            .trim()
            .to_owned()
    }

    fn options(&self, address: &Address) -> Vec<String> {
        let config = self.directory.path().join("config");
        let mut options = vec!["-F".to_owned(), config.display().to_string()];
        if let Some(port) = address.port {
            options.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &address.user {
            options.extend(["-l".to_owned(), user.clone()]);
        }
        options
    }

    /// Options that make a call use the shared connection, and fail where there
    /// is none instead of making another one.
    fn shared(&self, name: &str, address: &Address) -> Vec<String> {
        let mut options = self.options(address);
        options.push(format!("-oControlPath={}", self.socket(name).display()));
        options.push("-oControlMaster=no".to_owned());
        options.push("-oProxyCommand=false".to_owned());
        options
    }

    /// Makes the connection that all calls to a host share; ends when it stands.
    /// `name` tells connections apart.
    pub fn open(&self, name: &str, address: &Address) -> Invocation {
        let socket = self.socket(name);
        let log = self.directory.path().join(format!("{name}.log"));
        // What stays in the background must not keep our pipes.
        let script = "log=$1; shift; exec \"$@\" < /dev/null > /dev/null 2> \"$log\"";
        Invocation::new("sh")
            .args(["-c", script, "sh"])
            .arg(log)
            .arg(&self.program)
            .args(self.options(address))
            .args(["-f", "-N", "-oControlMaster=yes"])
            .arg(format!("-oControlPersist={IDLE}"))
            .arg(format!("-oControlPath={}", socket.display()))
            .args(["--", &address.host])
            // It outlives the thread that made it, until it is closed.
            .shielded()
            .deadline(Duration::from_secs(u64::from(CONNECT) * 3))
    }

    /// Ends the shared connection.
    pub fn close(&self, name: &str, address: &Address) -> Invocation {
        Invocation::new(&self.program)
            .args(self.shared(name, address))
            .args(["-O", "exit", "--", &address.host])
            .shielded()
            .deadline(Duration::from_secs(5))
    }

    /// Whether there is a socket of a shared connection.
    pub fn has_socket(&self, name: &str) -> bool {
        self.socket(name).exists()
    }

    /// Forgets a shared connection that has died.
    pub fn forget(&self, name: &str) {
        // It may be gone with its owner.
        let _ = fs::remove_file(self.socket(name));
    }

    /// A command over the shared connection.
    pub fn call(&self, name: &str, address: &Address, words: &[&str]) -> Invocation {
        Invocation::new(&self.program)
            .args(self.shared(name, address))
            .args(["--", &address.host, &quote(words)])
    }

    /// A command over a connection of its own.
    pub fn call_fresh(&self, address: &Address, words: &[&str]) -> Invocation {
        Invocation::new(&self.program)
            .args(self.options(address))
            .args(["-oControlPath=none", "-oControlMaster=no"])
            .args(["--", &address.host, &quote(words)])
    }

    /// What Nix is to give ssh (`NIX_SSHOPTS`) to use the shared connection.
    pub fn for_nix(&self, name: &str, address: &Address) -> String {
        self.shared(name, address).join(" ")
    }

    /// Where ssh is.
    pub fn program(&self) -> &OsStr {
        self.program.as_os_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{DuctRunner, Runner};

    #[test]
    fn words_survive_any_shell() {
        let hostile = [
            "a b",
            "",
            "it's",
            "$HOME",
            "`id`",
            "$(id)",
            "a\nb",
            "\\",
            "\"",
            "*",
            "~",
            "#x",
            "-n",
            "!!",
            "a;b",
            "&",
            "|",
            ">x",
            "ü",
            "\u{1b}[31m",
            "'\\''",
            "{a,b}",
        ];
        let mut words = vec!["printf", "%s\\0"];
        words.extend(hostile);
        for shell in ["sh", "bash"] {
            let invocation = Invocation::new(shell).arg("-c").arg(quote(&words));
            let said = DuctRunner::default().run(&invocation).unwrap().stdout;
            let said = String::from_utf8(said).unwrap();
            let read: Vec<&str> = said.split_terminator('\0').collect();
            assert_eq!(read, hostile, "{shell}");
        }
    }

    #[test]
    fn every_call_has_the_options_that_keep_it_from_waiting() {
        let ssh = Ssh::prepare("ssh".into(), None).unwrap();
        let address = Address {
            host: "192.0.2.1".to_owned(),
            user: Some("deploy".to_owned()),
            port: Some(2222),
        };
        let config = fs::read_to_string(ssh.directory.path().join("config")).unwrap();
        for option in [
            "BatchMode yes",
            "ConnectTimeout",
            "ServerAliveInterval",
            "ControlMaster no",
        ] {
            assert!(config.contains(option), "{option}");
        }
        for call in [
            ssh.open("a", &address),
            ssh.call("a", &address, &["true"]),
            ssh.call_fresh(&address, &["true"]),
        ] {
            let text = call.to_string();
            for part in ["-F /tmp/fleet-ssh-", "-p 2222", "-l deploy", "-- 192.0.2.1"] {
                assert!(text.contains(part), "{text}: {part}");
            }
        }
    }
}
