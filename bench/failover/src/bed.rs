//! The bed of a pair of IP routers: the lab's client, server, switches and cables, with routers
//! and two subnets where the lab has inline appliances and one.
//!
//! ```text
//!                        +-- lan0 [router A] wan0 --+
//! client -- LAN switch --|                          |-- WAN switch -- server
//!                        +-- lan0 [router B] wan0 --+
//! ```
//!
//! The client's default gateway is the virtual address on the LAN, the server's the one on the
//! WAN. ARP works as kernels do it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use twinline_tests::run::Run;
use twinline_tests::topology::{Side, frames_from, plug, switch, wire};
use twinline_tests::{LabError, Result, netns};

/// The client.
pub const CLIENT_IP: &str = "10.77.0.1";
/// The server.
pub const SERVER_IP: &str = "10.88.0.2";
/// The client's gateway.
pub const LAN_VIP: &str = "10.77.0.254";
/// The server's gateway.
pub const WAN_VIP: &str = "10.88.0.254";

/// The laid-out bed.
#[derive(Debug)]
pub struct Bed {
    /// The client's namespace.
    pub client: String,
    /// The server's namespace.
    pub server: String,
    lan: String,
    wan: String,
    a: Router,
    b: Router,
}

#[derive(Debug)]
struct Router {
    namespace: String,
    /// `net.ipv4.ip_forward` of that namespace, open: written in one system call.
    forwarding: File,
}

impl Bed {
    /// Makes namespaces, wires, switches, addresses and routes; no routing daemon yet.
    ///
    /// # Errors
    /// When iproute2 or ethtool refuse. What is made by then belongs to the run.
    pub fn lay(run: &Run) -> Result<Self> {
        let (client, server) = (run.namespace("client")?, run.namespace("server")?);
        let (lan, wan) = (run.namespace("lansw")?, run.namespace("wansw")?);
        let (a, b) = (run.namespace("a")?, run.namespace("b")?);
        for namespace in [&lan, &wan] {
            switch(namespace)?;
        }
        for (host, switch, ip, gateway) in [
            (&client, &lan, CLIENT_IP, LAN_VIP),
            (&server, &wan, SERVER_IP, WAN_VIP),
        ] {
            wire((host, "eth0"), (switch, "host"))?;
            plug(switch, "host")?;
            netns::ip(host, &format!("address add {ip}/24 dev eth0"))?;
            netns::ip(host, "link set dev eth0 up")?;
            netns::ip(host, &format!("route add default via {gateway}"))?;
        }
        for (router, port, last) in [(&a, "a", 11), (&b, "b", 12)] {
            for (switch, leg, net) in [(&lan, "lan0", "10.77.0"), (&wan, "wan0", "10.88.0")] {
                wire((router, leg), (switch, port))?;
                plug(switch, port)?;
                netns::ip(router, &format!("address add {net}.{last}/24 dev {leg}"))?;
                netns::ip(router, &format!("link set dev {leg} up"))?;
            }
        }
        Ok(Self {
            client,
            server,
            lan,
            wan,
            a: Router::new(a)?,
            b: Router::new(b)?,
        })
    }

    /// The namespace of a router.
    #[must_use]
    pub fn router(&self, side: Side) -> &str {
        &self.of(side).namespace
    }

    fn of(&self, side: Side) -> &Router {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// Lets a router's kernel forward, or stops it, at once.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_forwarding(&self, side: Side, on: bool) -> Result<()> {
        // at offset 0 each time: the kernel ignores what is written further on
        self.of(side)
            .forwarding
            .write_all_at(if on { b"1" } else { b"0" }, 0)
            .map_err(LabError::io("net.ipv4.ip_forward"))
    }

    /// Lets client and server forget who has the virtual addresses: after a dual master they may
    /// know the wrong router, which goes on forwarding for them unnoticed, and keepalived does
    /// not correct that by itself.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn forget_neighbours(&self) -> Result<()> {
        for host in [&self.client, &self.server] {
            netns::ip(host, "neighbour flush dev eth0")?;
        }
        Ok(())
    }

    /// Frames that came into both switches from a router since the beginning.
    ///
    /// # Errors
    /// When iproute2 refuses, or its output is not understood.
    pub fn frames_from(&self, side: Side) -> Result<u64> {
        frames_from(&self.lan, side).and_then(|lan| Ok(lan + frames_from(&self.wan, side)?))
    }

    /// Pulls or plugs a router's LAN cable at the switch.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn set_lan_cable(&self, side: Side, plugged: bool) -> Result<()> {
        let state = if plugged { "up" } else { "down" };
        netns::ip(&self.lan, &format!("link set dev {} {state}", side.name())).map(drop)
    }
}

impl Router {
    fn new(namespace: String) -> Result<Self> {
        let forwarding = netns::inside(&namespace, || -> io::Result<File> {
            let open = File::options()
                .write(true)
                .open("/proc/sys/net/ipv4/ip_forward")?;
            open.write_all_at(b"1", 0)?;
            Ok(open)
        })?;
        Ok(Self {
            namespace,
            forwarding,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarding_is_switched_in_the_routers_namespace_each_time() {
        // as root only: makes namespaces
        let run = Run::begin().unwrap();
        let bed = Bed::lay(&run).unwrap();
        let seen = |side| {
            let text = netns::exec(bed.router(side), "cat /proc/sys/net/ipv4/ip_forward").unwrap();
            text.trim().to_owned()
        };
        for on in [false, true, false] {
            bed.set_forwarding(Side::A, on).unwrap();
            assert_eq!(seen(Side::A), if on { "1" } else { "0" });
            assert_eq!(seen(Side::B), "1");
        }
    }
}
