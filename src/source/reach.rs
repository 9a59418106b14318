//! Which addresses may be asked. Whoever may write a HelmRepository chooses a host that the operator then talks to from its own
//! place in the network: the node's metadata service and what listens on its loopback must not be within that reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What is reachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Whether this host itself is.
    pub loopback: bool,
}

impl Reach {
    /// Why an address may not be asked.
    pub(super) fn refusal(self, address: IpAddr) -> Option<&'static str> {
        match address {
            IpAddr::V4(address) => self.refusal_v4(address),
            IpAddr::V6(address) => match embedded(address) {
                Some(inner) => self.refusal_v4(inner),
                None => self.refusal_v6(address),
            },
        }
    }

    fn refusal_v4(self, address: Ipv4Addr) -> Option<&'static str> {
        // The metadata services of Alibaba's and Oracle's clouds and the host agent of Azure's are not link-local.
        let services = [[100, 100, 100, 200], [192, 0, 0, 192], [168, 63, 129, 16]];
        match address.octets() {
            [169, 254, ..] => Some("a link-local address, where cloud metadata is served"),
            octets if services.contains(&octets) => Some("an address at which cloud metadata is served"),
            [127 | 0, ..] if !self.loopback => Some("the operator's own host"),
            [224..=239, ..] | [255, 255, 255, 255] => Some("no address of one host"),
            _ => None,
        }
    }

    fn refusal_v6(self, address: Ipv6Addr) -> Option<&'static str> {
        match address.segments() {
            [0xfe80..=0xfebf, ..] => Some("a link-local address"),
            [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254] => Some("an address at which cloud metadata is served"),
            [0, 0, 0, 0, 0, 0, 0, 0 | 1] if !self.loopback => Some("the operator's own host"),
            [0xff00..=0xffff, ..] => Some("no address of one host"),
            _ => None,
        }
    }

    /// Why the host of an address may not be asked, if it is given by number; names are looked at when they are resolved.
    pub(super) fn refusal_of(self, url: &Url) -> Option<(IpAddr, &'static str)> {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = host.parse().ok()?;
        self.refusal(address).map(|why| (address, why))
    }

    /// Why a host may not be asked: one of the addresses that it has now is out of reach, or it has none.
    pub async fn refusal_of_host(self, host: &str) -> Option<String> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found = match tokio::net::lookup_host((host, 0)).await {
            Ok(found) => found,
            Err(error) => return Some(format!("it is not known: {error}")),
        };
        found.into_iter().find_map(|at| self.refusal(at.ip()).map(|why| format!("{} is {why}", at.ip())))
    }

    /// A resolver that gives no address out of reach, so that no name leads there either, however often it changes.
    pub(super) fn resolver(self) -> Arc<dyn Resolve> {
        Arc::new(Resolver(self))
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, or by way of NAT64.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    match address.segments() {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

struct Resolver(Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refused = found.iter().find_map(|at| reach.refusal(at.ip()).map(|why| (at.ip(), why)));
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|at| reach.refusal(at.ip()).is_none()).collect();
            match refused {
                Some((address, why)) if allowed.is_empty() => {
                    Err(format!("{} is {address}, {why}: it is never asked", name.as_str()).into())
                }
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_out_of_reach() {
        for (host, anywhere, not_loopback) in [
            ("93.184.216.34", true, true),
            ("10.96.0.10", true, true),
            ("192.168.1.1", true, true),
            ("127.0.0.1", true, false),
            ("127.8.8.8", true, false),
            ("0.0.0.0", true, false),
            ("169.254.169.254", false, false),
            ("169.254.1.1", false, false),
            ("100.100.100.200", false, false),
            ("168.63.129.16", false, false),
            ("255.255.255.255", false, false),
            // Other ways to write it.
            ("2852039166", false, false),
            ("0xa9fea9fe", false, false),
            ("0251.0376.0251.0376", false, false),
            ("127.1", true, false),
            ("[::1]", true, false),
            ("[::]", true, false),
            ("[fe80::1]", false, false),
            ("[fd00:ec2::254]", false, false),
            ("[::ffff:169.254.169.254]", false, false),
            ("[::ffff:127.0.0.1]", true, false),
            ("[64:ff9b::a9fe:a9fe]", false, false),
            ("[2606:2800:220:1:248:1893:25c8:1946]", true, true),
            ("example.org", true, true),
        ] {
            let url = Url::parse(&format!("https://{host}/index.yaml")).unwrap();
            let allowed = |loopback| Reach { loopback }.refusal_of(&url).is_none();
            assert_eq!((allowed(true), allowed(false)), (anywhere, not_loopback), "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_does_not_lead_there_either() {
        let name = || "localhost".parse::<Name>().unwrap();
        let error = Reach { loopback: false }.resolver().resolve(name()).await.err().unwrap().to_string();
        assert!(error.contains("the operator's own host"), "{error}");
        assert!(Reach { loopback: true }.resolver().resolve(name()).await.unwrap().next().is_some());
    }
}
