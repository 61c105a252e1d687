//! Machines that texts speak of.

use std::net::IpAddr;

/// Words of configuration languages behind which a machine is named.
const DIRECTIVES: &[&str] = &[
    "proxy_pass",
    "grpc_pass",
    "uwsgi_pass",
    "fastcgi_pass",
    "scgi_pass",
    "server",
    "reverse_proxy",
    "forward_auth",
    "php_fastcgi",
    "to",
    "ProxyPass",
    "ProxyPassReverse",
    "BalancerMember",
    "backend",
    ".host",
    "forward",
    "remote",
    "default_backend",
    "Target",
];

/// The host part of an endpoint: `http://x:80/y`, `x:80`, `[::1]:80`, `u@x:/y`,
/// `//x/share`, `x/24`, `rest:http://x/`, `ADDRESS@853#name` and the
/// `/DOMAIN/ADDRESS` of dnsmasq.
/// `None` for what names a place on the machine itself.
pub fn endpoint(text: &str) -> Option<&str> {
    let text =
        text.trim_matches(|c: char| matches!(c, '"' | '\'' | ';' | ',' | '{' | '}' | '(' | ')'));
    let is_url = text.contains("://");
    let rest = match text.find("://") {
        Some(at) => &text[at + 3..],
        None => match text.strip_prefix("//") {
            Some(rest) => rest,
            // dnsmasq: the server for a domain.
            None if text.starts_with('/') => {
                let (_, last) = text.rsplit_once('/')?;
                last.parse::<IpAddr>().ok()?;
                last
            }
            None => ["sftp:", "rsync:", "ssh:"]
                .iter()
                .find_map(|scheme| text.strip_prefix(scheme))
                .unwrap_or(text),
        },
    };
    let mut rest = rest;
    if let Some((before, after)) = rest.split_once('@') {
        // `address@port#name` of resolvers, `user@host` of everybody else.
        rest = if before.parse::<IpAddr>().is_ok() {
            before
        } else {
            after
        };
    }
    let end = rest.find(['/', '?', '#', ' ', ',']).unwrap_or(rest.len());
    let rest = &rest[..end];
    let host = if let Some(inner) = rest.strip_prefix('[') {
        inner.split(']').next()?
    } else if rest.parse::<IpAddr>().is_ok() {
        rest
    } else {
        rest.split(':').next()?
    };
    let host = host.trim_end_matches('.');
    if host.is_empty() || host == "unix" && !is_url {
        return None;
    }
    Some(host)
}

/// Endpoints in a value that holds nothing else: words and comma lists.
pub fn endpoints(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .map(|word| {
            word.rsplit_once('=').map_or(
                word,
                |(flag, value)| {
                    if flag.starts_with('-') { value } else { word }
                },
            )
        })
        .filter(|word| !word.is_empty())
        .filter_map(endpoint)
}

/// Elements of a list that is written as one text.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
}

/// Whether a device or repository is on another machine, by its notation.
pub fn is_remote(text: &str) -> bool {
    if text.starts_with("//") || text.contains("://") {
        return true;
    }
    let before_colon = text.split_once(':').map(|(before, _)| before);
    // `LABEL=…`, `/dev/…`, `overlay`: no colon, or a slash before it.
    before_colon.is_some_and(|before| !before.is_empty() && !before.contains(['/', '=']))
        || text.starts_with('[')
}

/// Schemes of data that lives elsewhere.
pub fn is_storage_scheme(scheme: &str) -> bool {
    matches!(
        scheme,
        "postgres"
            | "postgresql"
            | "mysql"
            | "mariadb"
            | "redis"
            | "rediss"
            | "mongodb"
            | "s3"
            | "nfs"
            | "smb"
            | "sftp"
            | "rsync"
            | "amqp"
    )
}

/// The host part of a URL; nothing for any other text.
pub fn urls(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '<' | '>' | '`' | '|'))
        .filter_map(|word| {
            let at = word.find("://")?;
            let is_scheme = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
            // All of these are one byte each.
            let start = at - word[..at].chars().rev().take_while(is_scheme).count();
            let scheme = &word[start..at];
            Some((scheme, endpoint(&word[start..])?))
        })
}

/// Endpoints behind directives of a configuration text; comments are none.
pub fn directives(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if line.starts_with(['#', '/']) {
            continue;
        }
        let mut armed = false;
        for word in line.split(|c: char| c.is_whitespace() || matches!(c, ';' | '{' | '}' | '=')) {
            if DIRECTIVES.contains(&word) {
                armed = true;
            } else if armed && !word.is_empty() {
                found.extend(endpoint(word));
            }
        }
        if !armed {
            // `*.* @@host:port` of syslog, mount maps and the like.
            let words = line
                .split_whitespace()
                .filter(|word| word.contains(":/") || word.starts_with("@@"));
            found.extend(
                words
                    .map(|word| word.trim_start_matches('@'))
                    .filter_map(endpoint),
            );
        }
    }
    found
}

/// Names that a text gives addresses: `ADDRESS NAME…` of hosts files,
/// `NAME. IN A ADDRESS` of zones, `/NAME/ADDRESS` and
/// `NAME,ADDRESS` of dnsmasq.
pub fn records(text: &str) -> Vec<(IpAddr, String)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let words: Vec<&str> = line
            .split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '/'))
            .filter(|word| !word.is_empty())
            .collect();
        let addresses: Vec<IpAddr> = words.iter().filter_map(|word| word.parse().ok()).collect();
        for address in addresses {
            for word in &words {
                let name = word.trim_end_matches('.');
                let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && !matches!(name, "IN" | "A" | "AAAA" | "PTR" | "CNAME")
                    && name.parse::<IpAddr>().is_err()
                    && name.parse::<u64>().is_err()
                    && name
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
                if is_name {
                    found.push((address, name.to_owned()));
                }
            }
        }
    }
    found
}

/// An address without its prefix length, if it can mean another machine.
pub fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.split('/').next()?.parse().ok()?;
    let own = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    };
    (!own && !link_local).then_some(address)
}

/// Whether an address lies in a network in CIDR notation; a bare address is one
/// of its own.
pub fn contains(network: &str, address: IpAddr) -> bool {
    let (base, length) = match network.split_once('/') {
        Some((base, length)) => (base, length.parse::<u32>().ok()),
        None => (network, None),
    };
    match (base.trim().parse::<IpAddr>(), address) {
        (Ok(IpAddr::V4(base)), IpAddr::V4(address)) => {
            let shift = 32 - length.unwrap_or(32).min(32);
            u64::from(u32::from(base)) >> shift == u64::from(u32::from(address)) >> shift
        }
        (Ok(IpAddr::V6(base)), IpAddr::V6(address)) => {
            let shift = 128 - length.unwrap_or(128).min(128);
            let part = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
            part(u128::from(base)) == part(u128::from(address))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_their_hosts() {
        let check = |text, expect: Option<&str>| assert_eq!(endpoint(text), expect, "{text}");
        check("http://a.example:80/x?y", Some("a.example"));
        check("silo:/export/x", Some("silo"));
        check("//nas/share", Some("nas"));
        check("me@nas.example:/x", Some("nas.example"));
        check("sftp:me@nas:/x", Some("nas"));
        check("rest:http://attic:8000/", Some("attic"));
        check("[2001:db8::1]:80", Some("2001:db8::1"));
        check("2001:db8::1", Some("2001:db8::1"));
        check("192.0.2.1@853#resolver.example", Some("192.0.2.1"));
        check("/lan.example/192.0.2.1", Some("192.0.2.1"));
        check("postgres://u:p@db/x", Some("db"));
        check("/dev/disk/by-uuid/1", None);
        check("unix:/run/x.sock", None);
        assert_eq!(
            endpoints("--login-server=https://vpn.example --accept").next(),
            Some("vpn.example")
        );
    }

    #[test]
    fn only_directives_name_machines() {
        let text = "allow 192.0.2.9;\nproxy_pass http://192.0.2.7:80;\n# proxy_pass http://b;\nserver web 192.0.2.8:80 check\n";
        assert_eq!(directives(text), ["192.0.2.7", "web", "192.0.2.8", "check"]);
        assert_eq!(directives("*.* @@logs.example:514"), ["logs.example"]);
        assert_eq!(directives("reverse_proxy a:1 b:2 {\n}"), ["a", "b"]);
    }

    #[test]
    fn records_of_every_notation() {
        let check = |text, expect: &[&str]| {
            let names: Vec<String> = records(text)
                .into_iter()
                .map(|(a, n)| format!("{n}={a}"))
                .collect();
            assert_eq!(names, expect, "{text}");
        };
        check(
            "192.0.2.1 a a.example # b",
            &["a=192.0.2.1", "a.example=192.0.2.1"],
        );
        check(
            "\"git.example. IN A 192.0.2.2\"",
            &["git.example=192.0.2.2"],
        );
        check("/x.example/192.0.2.3", &["x.example=192.0.2.3"]);
        check("x.example,192.0.2.3", &["x.example=192.0.2.3"]);
        check("www 3600 IN AAAA 2001:db8::1", &["www=2001:db8::1"]);
    }

    #[test]
    fn networks_contain_addresses() {
        let check = |network, address: &str, expect| {
            assert_eq!(
                contains(network, address.parse().unwrap()),
                expect,
                "{network} {address}"
            );
        };
        check("192.0.2.0/24", "192.0.2.9", true);
        check("192.0.2.0/24", "198.51.100.9", false);
        check("192.0.2.9", "192.0.2.9", true);
        check("0.0.0.0/0", "192.0.2.9", true);
        check("2001:db8::/32", "2001:db8::1", true);
        check("::/0", "2001:db8::1", true);
        check("nonsense", "192.0.2.9", false);
        assert_eq!(address("127.0.0.1"), None);
        assert_eq!(address("192.0.2.9/24"), "192.0.2.9".parse().ok());
    }
}
