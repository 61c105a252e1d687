//! `[[health]]`: what has to hold for a host to count as healthy.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// One check of a host, with how long it may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Health {
    /// What is looked at.
    #[serde(flatten)]
    pub check: Check,
    /// Seconds after which an answer counts as none; 10 unless it says otherwise.
    #[serde(default = "usual_timeout")]
    pub timeout: u16,
}

/// What a check looks at, by its `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Check {
    /// A unit of systemd is active.
    Unit {
        /// Its name, with its suffix.
        name: String,
    },
    /// Something listens on a TCP port of the host.
    Tcp {
        /// The port.
        port: u16,
    },
    /// A web server answers.
    Http {
        /// What is asked for, `http://HOST[:PORT]/PATH` or `https://…`.
        #[serde(deserialize_with = "web_address")]
        url: String,
        /// The expected status; 200 unless it says otherwise.
        #[serde(default = "usual_status")]
        status: u16,
    },
    /// A command on the host ends with status 0.
    Command {
        /// Program and arguments; no shell is between.
        run: Vec<String>,
    },
}

/// The parts of a URL that a check needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress {
    /// It is `https`.
    pub encrypted: bool,
    /// Name or address, as in the `Host` header without a port.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path and query, from the slash on.
    pub path: String,
}

impl Health {
    /// How long an answer may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}

impl Check {
    /// The TCP port of the host that the check connects to, if it does.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { port } => Some(*port),
            Self::Http { url, .. } => Some(WebAddress::parse(url)?.port),
            Self::Unit { .. } | Self::Command { .. } => None,
        }
    }
}

impl WebAddress {
    /// Reads a URL; `None` if it is none of the web, or has a user in it.
    pub fn parse(url: &str) -> Option<Self> {
        let (encrypted, rest) = match url.split_once("://")? {
            ("http", rest) => (false, rest),
            ("https", rest) => (true, rest),
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let usual = if encrypted { 443 } else { 80 };
        // The colons of an IPv6 address are inside brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, usual),
        };
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if host.is_empty() || host.contains('@') || host.contains(odd) || path.contains(odd) {
            return None;
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Self {
            encrypted,
            host: host.to_owned(),
            port,
            path: format!("{slash}{path}"),
        })
    }
}

/// As in a message: `tcp 80`.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit { name } => write!(f, "unit {name}"),
            Self::Tcp { port } => write!(f, "tcp {port}"),
            Self::Http { url, status } => write!(f, "http {url} with status {status}"),
            Self::Command { run } => write!(f, "command {}", run.join(" ")),
        }
    }
}

fn web_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let url = String::deserialize(deserializer)?;
    match WebAddress::parse(&url) {
        Some(_) => Ok(url),
        None => Err(serde::de::Error::custom(format!(
            "`{url}` is no `http://HOST[:PORT]/PATH`"
        ))),
    }
}

fn usual_timeout() -> u16 {
    10
}

fn usual_status() -> u16 {
    200
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Table {
        health: Vec<Health>,
    }

    #[test]
    fn every_kind_is_read() {
        let text = "health = [\n\
            { kind = \"unit\", name = \"a.service\" },\n\
            { kind = \"tcp\", port = 80, timeout = 3 },\n\
            { kind = \"http\", url = \"http://a.example:81/x\" },\n\
            { kind = \"command\", run = [\"true\", \"x\"] },\n]";
        let table: Table = toml::from_str(text).unwrap();
        let said: Vec<String> = table.health.iter().map(|it| it.check.to_string()).collect();
        assert_eq!(
            said,
            [
                "unit a.service",
                "tcp 80",
                "http http://a.example:81/x with status 200",
                "command true x"
            ]
        );
        let ports: Vec<_> = table.health.iter().map(|it| it.check.port()).collect();
        assert_eq!(ports, [None, Some(80), Some(81), None]);
        let timeouts: Vec<_> = table.health.iter().map(|it| it.timeout).collect();
        assert_eq!(timeouts, [10, 3, 10, 10]);
        for bad in [
            "health = [{ kind = \"ping\" }]",
            "health = [{ kind = \"tcp\" }]",
            "health = [{ kind = \"tcp\", port = 70000 }]",
            "health = [{ kind = \"http\", url = \"a.example\" }]",
        ] {
            assert!(toml::from_str::<Table>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_of_the_web_are_taken_apart() {
        let parse = |url: &str| {
            WebAddress::parse(url).map(|it| format!("{} {} {}", it.host, it.port, it.path))
        };
        for (url, expect) in [
            ("http://a.example", Some("a.example 80 /")),
            ("https://a.example/x?y#z", Some("a.example 443 /x?y")),
            ("http://a.example:8080?y", Some("a.example 8080 /?y")),
            ("http://[2001:db8::1]:81/", Some("[2001:db8::1] 81 /")),
            ("http://[2001:db8::1]/", Some("[2001:db8::1] 80 /")),
            ("ftp://a.example/", None),
            ("http://a.example:x/", None),
            ("http://u@a.example/", None),
            ("http://a.example/a b", None),
        ] {
            assert_eq!(parse(url).as_deref(), expect, "{url}");
        }
    }
}
