//! Addresses that calls may go to in place of a cloud's own.

use std::net::IpAddr;

/// Whether nobody on the way can read what is sent to `endpoint`: it is encrypted, or does not leave this machine.
pub fn is_private(endpoint: &str) -> bool {
    let Some((scheme, host)) = parts(endpoint) else { return false };
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") && is_loopback(host)
}

/// Whether a call to `address` goes straight there, whatever proxies the environment names: what stays on this machine is
/// for nobody else, and what is not encrypted no proxy may read. Plain calls go to this machine, and to the place where a
/// machine in AWS gets its credentials.
pub fn is_direct(address: &str) -> bool {
    parts(address).is_none_or(|(scheme, host)| !scheme.eq_ignore_ascii_case("https") || is_loopback(host))
}

/// The scheme and the host of an address.
fn parts(address: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let host = match host_and_port.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host_and_port.split(':').next().unwrap_or_default(),
    };
    Some((scheme, host))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for endpoint in [
            "https://aws.example",
            "HTTPS://aws.example:8443/path",
            "http://localhost",
            "http://localhost:5000/",
            "http://127.0.0.1:5000",
            "HTTP://127.8.8.8",
            "http://[::1]:5000",
            "http://[::ffff:127.0.0.1]:5000",
        ] {
            assert!(is_private(endpoint), "{endpoint}");
        }
        for endpoint in [
            "http://aws.example",
            "http://10.0.0.1:5000",
            "http://0.0.0.0:5000",
            "http://localhost.aws.example",
            "http://127.0.0.1.aws.example",
            "http://localhost@aws.example",
            "http://localhost:80@aws.example",
            "http://aws.example\\@localhost",
            "http://[fe80::1]",
            "ftp://localhost",
            "localhost:5000",
            "",
        ] {
            assert!(!is_private(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn no_proxy_sees_what_stays_on_this_machine_or_is_not_encrypted() {
        for direct in [
            "http://localhost:5000/",
            "http://127.0.0.1:5000",
            "https://localhost:5000",
            "https://[::1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://aws.example",
            "",
        ] {
            assert!(is_direct(direct), "{direct}");
        }
        for far in
            ["https://rds.eu-central-1.amazonaws.com/", "HTTPS://aws.example:443", "https://localhost@aws.example"]
        {
            assert!(!is_direct(far), "{far}");
        }
    }
}
