//! One check of a machine, through a forwarded port.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::config::{Check, Health, WebAddress};

/// Makes a check; `ports` are those of this computer by those of the machine.
///
/// # Errors
///
/// It does not hold, or not yet: why.
pub(super) fn probe(
    health: &Health,
    ports: &BTreeMap<u16, u16>,
    is_up: bool,
) -> Result<(), String> {
    let port = health.check.port().and_then(|port| ports.get(&port));
    let port = *port.ok_or("no port")?;
    // Emulation is slow, and the check is made again.
    let patience = health.timeout();
    match &health.check {
        Check::Http { url, status } => match WebAddress::parse(url) {
            Some(address) if !address.encrypted => ask(&address, port, *status, patience),
            _ => listens(port, is_up, patience),
        },
        _ => listens(port, is_up, patience),
    }
}

fn connect(port: u16, patience: Duration) -> Result<TcpStream, String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = TcpStream::connect_timeout(&address, patience);
    stream.map_err(|error| error.to_string())
}

/// Whether something listens. The emulator takes every connection, and ends it
/// when nobody inside does; it keeps it for a while when there is no network inside
/// yet, which is why a machine that is not up says nothing.
fn listens(port: u16, is_up: bool, patience: Duration) -> Result<(), String> {
    if !is_up {
        return Err("not up".to_owned());
    }
    let mut stream = connect(port, patience)?;
    let wait = patience.min(Duration::from_secs(2));
    stream
        .set_read_timeout(Some(wait))
        .map_err(|error| error.to_string())?;
    match stream.read(&mut [0; 1]) {
        Ok(0) => Err("the connection is closed at once".to_owned()),
        Ok(_) => Ok(()),
        // It waits for us to speak.
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a web server answers with the status.
fn ask(address: &WebAddress, port: u16, status: u16, patience: Duration) -> Result<(), String> {
    let mut stream = connect(port, patience)?;
    let text = |error: std::io::Error| error.to_string();
    stream.set_read_timeout(Some(patience)).map_err(text)?;
    stream.set_write_timeout(Some(patience)).map_err(text)?;
    let WebAddress { host, path, .. } = address;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(text)?;
    let mut head = Vec::new();
    // The status stands in the first line: a few bytes.
    stream.take(256).read_to_end(&mut head).or_else(|error| {
        if head.is_empty() {
            Err(text(error))
        } else {
            Ok(0)
        }
    })?;
    let head = String::from_utf8_lossy(&head);
    let said = head
        .strip_prefix("HTTP/")
        .and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u16>().ok());
    match said {
        Some(said) if said == status => Ok(()),
        Some(said) => Err(format!("status {said}")),
        None => Err("no answer of a web server".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answer(said: &'static str, check: &str, is_up: bool) -> Result<(), String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if said.starts_with("HTTP") {
                let _ = stream.read(&mut [0; 512]);
            }
            let _ = stream.write_all(said.as_bytes());
        });
        let health: Health = toml::from_str(check).unwrap();
        probe(&health, &BTreeMap::from([(80, port)]), is_up)
    }

    #[test]
    fn answers_are_judged() {
        let http = "kind = \"http\"\nurl = \"http://a.example/x\"\n";
        assert_eq!(answer("HTTP/1.1 200 OK\r\n\r\n", http, false), Ok(()));
        let bad = answer("HTTP/1.1 502 Bad\r\n\r\n", http, true);
        assert_eq!(bad, Err("status 502".to_owned()));
        assert!(answer("", http, true).is_err());
        let tcp = "kind = \"tcp\"\nport = 80\n";
        assert_eq!(answer("220 ready\r\n", tcp, true), Ok(()));
        assert!(answer("220 ready\r\n", tcp, false).is_err());
        assert!(answer("", tcp, true).is_err());
    }
}
