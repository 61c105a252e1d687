//! How a host is reached.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where somebody logs in. What is not said is left to the configuration of ssh.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Name or address.
    pub host: String,
    /// Who logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where sshd listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Address {
    /// What is wrong with it, if ssh could take it for something else.
    pub fn problem(&self) -> Option<String> {
        let odd = |text: &str| {
            text.is_empty()
                || text.starts_with('-')
                || text
                    .chars()
                    .any(|c| !(c.is_alphanumeric() || "._-:%[]".contains(c)))
        };
        if odd(&self.host) {
            return Some(format!("{:?} is no name or address of a host", self.host));
        }
        let user = self.user.as_deref().filter(|user| odd(user));
        user.map(|user| format!("{user:?} is no name of a user"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_would_misread_is_refused() {
        let check = |host: &str, user: Option<&str>, fine: bool| {
            let address = Address {
                host: host.to_owned(),
                user: user.map(str::to_owned),
                port: None,
            };
            assert_eq!(address.problem().is_none(), fine, "{address}");
        };
        check("192.0.2.1", Some("deploy"), true);
        check("2001:db8::1", None, true);
        check("a.example", None, true);
        check("-oProxyCommand=x", None, false);
        check("", None, false);
        check("a b", None, false);
        check("a;b", None, false);
        check("a", Some("-x"), false);
        check("a", Some("$(x)"), false);
    }
}
