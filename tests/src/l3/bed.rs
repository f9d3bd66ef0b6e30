//! Namespaces and addresses of a bed of routers.

use super::router::{Maker, own_address};
use crate::error::{LabError, Result};
use crate::netns;
use crate::run::Run;
use crate::topology::{Shape, Side, Topology};
use std::fs;

/// The namespaces of a bed where the routers of `makers` (A and B) will run. Ours bring their own
/// addresses; the others use the kernel's.
///
/// # Errors
/// When iproute2 or ethtool refuse. What is made by then belongs to the run.
pub fn lay(run: &Run, makers: [Maker; 2]) -> Result<Topology> {
    let topology = Topology::lay_out(run, Shape::Routed)?;
    for (maker, side) in makers.into_iter().zip(Side::BOTH) {
        if maker != Maker::Ours {
            kernel_router(&topology, side)?;
        }
    }
    Ok(topology)
}

/// Gives the kernel of a side addresses in both networks, and lets it forward.
///
/// # Errors
/// When iproute2 refuses.
pub fn kernel_router(topology: &Topology, side: Side) -> Result<()> {
    let namespace = topology.appliance(side);
    for leg in ["lan0", "wan0"] {
        netns::ip(namespace, &format!("link set dev {leg} arp on"))?;
    }
    let ipv6 = netns::enable_ipv6(namespace)?;
    for (leg, lan, wan) in [("lan0", "10.77.", "fd77:"), ("wan0", "10.88.", "fd88:")] {
        let (ip, ip6) = (own_address(side, false), own_address(side, true));
        let ip = ip.replacen("10.77.", lan, 1);
        netns::ip(namespace, &format!("address add {ip}/24 dev {leg}"))?;
        if ipv6 {
            let ip6 = ip6.replacen("fd77:", wan, 1);
            netns::ip(namespace, &format!("address add {ip6}/64 dev {leg} nodad"))?;
        }
    }
    netns::inside(namespace, || {
        fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
        if ipv6 {
            fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")?;
        }
        Ok(())
    })
}

/// Lets client and server forget their neighbours.
///
/// # Errors
/// When iproute2 refuses.
pub fn forget_neighbours(topology: &Topology) -> Result<()> {
    for host in [&topology.client, &topology.server] {
        netns::ip(host, "neighbour flush dev eth0")?;
    }
    Ok(())
}

/// The MAC address that a host's kernel has for an address, if it has one now.
///
/// # Errors
/// When iproute2 refuses, or its answer is not understood.
pub fn neighbour_of(host: &str, address: &str) -> Result<Option<String>> {
    let text = netns::ip(host, &format!("-j neighbour show {address} dev eth0"))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| LabError::Answer {
        what: format!("ip neighbour: {e}"),
        answer: text.chars().take(200).collect(),
    })?;
    let mac = value.pointer("/0/lladdr").and_then(|mac| mac.as_str());
    Ok(mac.map(str::to_owned))
}
