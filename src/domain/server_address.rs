//! The name and port under which tenants reach the server.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU16,
    str::FromStr,
};

/// A name of DNS or an address of IP, and a port where it is not the one that is listened on: a router may forward
/// another. It stands in commands that people paste, so nothing else is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// The name or address, without brackets.
    pub host: String,
    /// The port that is forwarded.
    pub port: Option<NonZeroU16>,
}

/// Letters of a name at most (RFC 1035, section 2.3.4, without the dot at the end).
const LONGEST_NAME: usize = 253;

/// Letters between two dots at most (RFC 1035, section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// Text that is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerAddressFault;

impl fmt::Display for ServerAddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a server's name; write it as sftp.example.be, or sftp.example.be:22 where the port is another")
    }
}

impl std::error::Error for ServerAddressFault {}

impl FromStr for ServerAddress {
    type Err = ServerAddressFault;

    /// Reads `name`, `name:port`, `192.0.2.1:22`, `2001:db8::1` or `[2001:db8::1]:22`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self { host: address.to_string(), port: None });
        }
        let (host, port) = match text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| ServerAddressFault)?)),
            None => (text, None),
        };
        if let Some(within) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = within.parse().map_err(|_| ServerAddressFault)?;
            return Ok(Self { host: address.to_string(), port });
        }
        if is_name(host) { Ok(Self { host: host.to_owned(), port }) } else { Err(ServerAddressFault) }
    }
}

/// Whether this is a name (RFC 1123, section 2.1) or an address of IPv4, which looks the same.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_numbers = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    host.len() <= LONGEST_NAME && host.split('.').all(is_label) && (!is_numbers || host.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_with_a_port_or_none() {
        for (text, host, port) in [
            ("uitwisseling.example.be", "uitwisseling.example.be", None),
            ("sftp-1.example.be:22", "sftp-1.example.be", NonZeroU16::new(22)),
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:2222", "192.0.2.1", NonZeroU16::new(2222)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]:22", "2001:db8::1", NonZeroU16::new(22)),
            ("[2001:db8::1]", "2001:db8::1", None),
        ] {
            assert_eq!(text.parse(), Ok(ServerAddress { host: host.to_owned(), port }), "{text}");
        }
    }

    #[test]
    fn what_a_shell_or_a_client_would_misread_is_refused() {
        let long = format!("{}.be", "a".repeat(64));
        for text in [
            "",
            "a b",
            "-oProxyCommand",
            "x;ls",
            "a..b",
            "a:0",
            "a:70000",
            "a:",
            "sftp://a",
            "a/b",
            "256.1.1.1",
            "12",
            &long,
        ] {
            assert_eq!(text.parse::<ServerAddress>(), Err(ServerAddressFault), "{text}");
        }
    }
}
