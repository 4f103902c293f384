//! Addresses that may be reached on behalf of a file that a stranger wrote: what `status` asks, and name servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one of the public internet: not of this machine, of a private network, of the link (where clouds
/// keep the credentials of their machines), and not reserved for anything else (IANA's registries of special addresses).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match a {
        // This network, and class E with the broadcast address.
        0 | 240.. => true,
        // Shared between providers and their customers.
        100 => (64..128).contains(&b),
        // Protocols, and the old way to IPv6.
        192 => (b == 0 && c == 0) || (b == 88 && c == 99),
        // Measurements.
        198 => b == 18 || b == 19,
        _ => false,
    };
    let is_local = address.is_loopback() || address.is_private() || address.is_link_local();
    !(is_special || is_local || address.is_multicast() || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([one, two], [three, four]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(one, two, three, four))
    };
    match (a, b) {
        // A network without IPv4 reaches it by these.
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && embedded(g, h),
        // 6to4 holds an address of IPv4, and Teredo hides one.
        (0x2002, _) => embedded(b, c),
        (0x2001, 0) => false,
        // Protocols, and documentation.
        (0x2001, b) if b < 0x200 || b == 0xdb8 => false,
        (0x3fff, b) if b < 0x1000 => false,
        // Of all others only this eighth is given out.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_called() {
        for public in
            ["93.184.215.14", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "64:ff9b::101:101"]
        {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
        for other in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.0.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.170.2",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
        ] {
            assert!(!is_public(other.parse().expect("an address")), "{other}");
        }
    }
}
