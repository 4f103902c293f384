//! Addresses that calls may go to in place of a cloud's own.

use std::net::IpAddr;

/// Whether nobody on the way can read what is sent to `endpoint`: it is encrypted, or does not leave this machine.
pub fn is_private(endpoint: &str) -> bool {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return false };
    if scheme.eq_ignore_ascii_case("https") {
        return true;
    }
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let host = match host_and_port.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host_and_port.split(':').next().unwrap_or_default(),
    };
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    scheme.eq_ignore_ascii_case("http") && is_loopback
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
}
