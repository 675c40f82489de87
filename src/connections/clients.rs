//! Who is at the other end, and how much of the server each of them has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;

use http::HeaderMap;
use ipnet::IpNet;
use parking_lot::Mutex;

use crate::config::Limits;
use crate::segments::share::{Share, Shares};

/// How much each address has under way: its connections, each of which can ask for one thing at a time; of those whom a
/// trusted proxy names, their requests; and what all that has the encoders do.
#[derive(Debug)]
pub(crate) struct Clients {
    under_way: Arc<Counts>,
    shares: Arc<Shares>,
    trusted: Vec<IpNet>,
}

/// How many of something each address has, and may have.
#[derive(Debug)]
struct Counts {
    each: Mutex<HashMap<IpAddr, usize>>,
    most: NonZeroUsize,
}

/// An address that asks for something, as an extension of its requests: the peer's, or the one that a trusted proxy names.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub IpAddr);

/// That an address has as much as one may have.
#[derive(Debug)]
pub(crate) struct TooMany;

/// One connection or request of an address, counted until dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    among: Arc<Counts>,
    address: IpAddr,
}

impl Counts {
    fn new(most: NonZeroUsize) -> Arc<Self> {
        Arc::new(Self { each: Mutex::default(), most })
    }

    fn count(self: &Arc<Self>, address: IpAddr) -> Result<Counted, TooMany> {
        let address = whole(address);
        let mut each = self.each.lock();
        let count = each.entry(address).or_default();
        if *count >= self.most.get() {
            return Err(TooMany);
        }
        *count += 1;
        Ok(Counted { among: Arc::clone(self), address })
    }
}

impl Clients {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        let under_way = Counts::new(limits.requests_per_address);
        // A quarter of the queue is left for others, whoever asks for however much.
        let share = limits.queue.get() - limits.queue.get() / 4;
        Arc::new(Self { under_way, shares: Shares::new(share), trusted: limits.trusted_proxies.clone() })
    }

    /// How much one may have.
    pub(crate) fn most(&self) -> NonZeroUsize {
        self.under_way.most
    }

    /// Addresses that have something under way.
    pub(crate) fn addresses(&self) -> usize {
        self.under_way.each.lock().len()
    }

    /// Whether an address is that of a proxy which is believed.
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// Counts a connection of `peer`, unless it is a trusted proxy, whose requests are counted.
    ///
    /// # Errors
    /// When it has as many as it may have.
    pub(crate) fn connected(&self, peer: IpAddr) -> Result<Option<Counted>, TooMany> {
        if self.is_trusted(peer) { Ok(None) } else { self.under_way.count(peer).map(Some) }
    }

    /// Counts a request for whom a trusted proxy asks; of others the connection is counted.
    ///
    /// # Errors
    /// When that client has as many as it may have.
    pub(crate) fn asked(&self, peer: IpAddr, client: IpAddr) -> Result<Option<Counted>, TooMany> {
        if peer == client { Ok(None) } else { self.under_way.count(client).map(Some) }
    }

    /// What a client may have of the encoders; `None` for a proxy that does not say for whom it asks, which may have all.
    pub(crate) fn share(&self, client: Client) -> Option<Share> {
        (!self.is_trusted(client.0)).then(|| self.shares.of(whole(client.0)))
    }

    /// Who asks: the peer, or if that is a trusted proxy the last one in `X-Forwarded-For` that is none. What stands
    /// before that one may be made up.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.is_trusted(peer) {
            return peer;
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        // As bytes: a proxy adds its own to whatever came, and what came need not be text.
        let named = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(address_in);
        let mut client = peer;
        for address in named {
            // Behind something that is no address nobody knows who stands there.
            let Some(address) = address else { break };
            client = address;
            if !self.is_trusted(address) {
                break;
            }
        }
        client
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
fn address_in(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let with_port = || text.parse::<std::net::SocketAddr>().map(|address| address.ip());
    let address = text.trim_start_matches('[').trim_end_matches(']').parse().or_else(|_| with_port()).ok()?;
    Some(IpAddr::to_canonical(&address))
}

/// An address as far as it tells one client from another: who has one of IPv6 has its whole /64.
fn whole(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut each = self.among.each.lock();
        if let Some(count) = each.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                each.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn clients(most: usize) -> Arc<Clients> {
        let trusted = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let under_way = Counts::new(NonZeroUsize::new(most).unwrap());
        Arc::new(Clients { under_way, shares: Shares::new(most), trusted })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        clients(1).client(ip(peer), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_saw_itself() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client("::1", &["198.51.100.7:443"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["198.51.100.7, nonsense"]), "10.0.0.1");
        let odd = [("x-forwarded-for", HeaderValue::from_bytes(b"\xff, 198.51.100.7").unwrap())];
        let headers = odd.map(|(name, value)| (name.parse().unwrap(), value)).into_iter().collect();
        assert_eq!(clients(1).client(ip("10.0.0.1"), &headers), ip("198.51.100.7"));
    }

    #[test]
    fn an_address_has_so_much_and_no_more_until_it_gives_it_back() {
        let clients = clients(2);
        let held: Vec<_> = (0..2).map(|_| clients.connected(ip("192.0.2.1")).unwrap()).collect();
        assert!(clients.connected(ip("192.0.2.1")).is_err());
        assert!(clients.connected(ip("192.0.2.2")).is_ok());
        assert!(clients.asked(ip("10.0.0.1"), ip("192.0.2.1")).is_err());
        drop(held);
        assert!(clients.connected(ip("192.0.2.1")).is_ok());
        assert_eq!(clients.addresses(), 0, "what is held by nobody");
        assert!((0..9).all(|_| clients.connected(ip("10.0.0.1")).unwrap().is_none()));
    }

    #[test]
    fn of_ipv6_a_client_has_a_whole_network() {
        let clients = clients(1);
        let _held = clients.connected(ip("2001:db8::1")).unwrap();
        assert!(clients.connected(ip("2001:db8::ffff:1")).is_err());
        assert!(clients.connected(ip("2001:db8:0:1::1")).is_ok());
    }
}
