//! Namespaces, switches and wires of the lab.

use crate::error::{LabError, Result};
use crate::netns;
use crate::run::Run;
use crate::sys::{self, RawSocket, Take};
use std::fmt;
use std::time::Duration;

/// The client's address.
pub const CLIENT_IP: &str = "10.77.0.1";
/// The server's address.
pub const SERVER_IP: &str = "10.77.0.2";
/// The client's MAC address.
pub const CLIENT_MAC: &str = "02:77:00:00:00:01";
/// The server's MAC address.
pub const SERVER_MAC: &str = "02:77:00:00:00:02";

/// Addresses and gateways where the appliances are routers: two networks instead of one.
pub mod routed {
    /// The server's address.
    pub const SERVER_IP: &str = "10.88.0.2";
    /// The client's gateway: the virtual address on the LAN.
    pub const LAN_VIP: &str = "10.77.0.254";
    /// The server's gateway: the virtual address on the WAN.
    pub const WAN_VIP: &str = "10.88.0.254";
    /// The client's IPv6 address.
    pub const CLIENT_IP6: &str = "fd77::1";
    /// The server's IPv6 address.
    pub const SERVER_IP6: &str = "fd88::2";
    /// The client's IPv6 gateway.
    pub const LAN_VIP6: &str = "fd77::254";
    /// The server's IPv6 gateway.
    pub const WAN_VIP6: &str = "fd88::254";
    /// The virtual link-local address, on both sides.
    pub const LINK_LOCAL_VIP: &str = "fe80::5e:254";
}

/// One of the two appliances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Instance 1, the primary.
    A,
    /// Instance 2.
    B,
}

impl Side {
    /// Both, in order.
    pub const BOTH: [Side; 2] = [Side::A, Side::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }

    /// `a` or `b`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Side::A => "a",
            Side::B => "b",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::A => "A",
            Side::B => "B",
        })
    }
}

/// A leg of an appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// Towards the client.
    Lan,
    /// Towards the server.
    Wan,
}

/// How the appliances lie between the two switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// Side by side: each has a leg in each switch.
    #[default]
    Parallel,
    /// Side by side, each behind a patch panel with the relays of its bypass card.
    ParallelBehindCards,
    /// One behind the other on one wire, each behind a patch panel: LAN switch, A, B, WAN switch.
    SeriesBehindCards,
    /// Side by side as routers between two networks: the hosts' gateways are virtual addresses, and
    /// nobody's neighbours are written down.
    Routed,
}

/// The laid-out lab: names of the namespaces.
#[derive(Debug)]
pub struct Topology {
    /// The client's namespace; its interface is `eth0`.
    pub client: String,
    /// The server's namespace; its interface is `eth0`.
    pub server: String,
    /// The LAN switch: bridge `sw`, ports `host`, `a`, `b`.
    pub lan: String,
    /// The WAN switch: bridge `sw`, ports `host`, `a`, `b`.
    pub wan: String,
    /// The switch between the HA ports: bridge `sw`, ports `a`, `b`.
    pub ha: String,
    /// Appliance A: `lan0`, `wan0`, `ha0`.
    pub a: String,
    /// Appliance B: `lan0`, `wan0`, `ha0`.
    pub b: String,
    /// The patch panels of both appliances, where there are cards: `lancable`, `wancable`,
    /// `lanport`, `wanport`.
    pub panels: Option<[String; 2]>,
    /// Both on one wire, one behind the other.
    pub series: bool,
    /// The appliances are routers between two networks.
    pub routed: bool,
}

impl Topology {
    /// Makes all namespaces, wires and switches, everything up, no engine yet.
    ///
    /// # Errors
    /// When iproute2 or ethtool refuse. What is made by then belongs to the run.
    pub fn lay(run: &Run) -> Result<Self> {
        Self::lay_out(run, Shape::Parallel)
    }

    /// As [`Topology::lay`], in another shape. The relays of panels are moved by others
    /// ([`crate::panel`]).
    ///
    /// # Errors
    /// As [`Topology::lay`].
    pub fn lay_out(run: &Run, shape: Shape) -> Result<Self> {
        let panels = match shape {
            Shape::Parallel | Shape::Routed => None,
            _ => Some([run.namespace("panela")?, run.namespace("panelb")?]),
        };
        let topology = Self {
            panels,
            series: shape == Shape::SeriesBehindCards,
            routed: shape == Shape::Routed,
            client: run.namespace("client")?,
            server: run.namespace("server")?,
            lan: run.namespace("lansw")?,
            wan: run.namespace("wansw")?,
            ha: run.namespace("hasw")?,
            a: run.namespace("a")?,
            b: run.namespace("b")?,
        };
        let Self {
            client,
            server,
            lan,
            wan,
            ha,
            a,
            b,
            panels,
            ..
        } = &topology;
        for namespace in [lan, wan, ha] {
            switch(namespace)?;
        }
        for (host, switch) in [(client, lan), (server, wan)] {
            wire((host, "eth0"), (switch, "host"))?;
            plug(switch, "host")?;
        }
        match panels {
            None => {
                for (appliance, port) in [(a, "a"), (b, "b")] {
                    wire((appliance, "lan0"), (lan, port))?;
                    wire((appliance, "wan0"), (wan, port))?;
                    plug(lan, port)?;
                    plug(wan, port)?;
                }
            }
            Some([panel_a, panel_b]) => {
                wire((panel_a, "lancable"), (lan, "a"))?;
                plug(lan, "a")?;
                wire((panel_b, "wancable"), (wan, "b"))?;
                plug(wan, "b")?;
                if shape == Shape::SeriesBehindCards {
                    wire((panel_a, "wancable"), (panel_b, "lancable"))?;
                } else {
                    wire((panel_a, "wancable"), (wan, "a"))?;
                    plug(wan, "a")?;
                    wire((panel_b, "lancable"), (lan, "b"))?;
                    plug(lan, "b")?;
                }
                for (appliance, panel) in [(a, panel_a), (b, panel_b)] {
                    wire((appliance, "lan0"), (panel, "lanport"))?;
                    wire((appliance, "wan0"), (panel, "wanport"))?;
                    crate::panel::lay(panel)?;
                }
            }
        }
        for appliance in [a, b] {
            for leg in ["lan0", "wan0"] {
                netns::ip(appliance, &format!("link set dev {leg} arp off up"))?;
            }
        }
        for (appliance, port) in [(a, "a"), (b, "b")] {
            wire((appliance, "ha0"), (ha, port))?;
            plug(ha, port)?;
            netns::ip(appliance, "link set dev ha0 arp off up")?;
        }
        if topology.routed {
            use routed::{CLIENT_IP6, LAN_VIP, LAN_VIP6, WAN_VIP, WAN_VIP6};
            let (server_ip, server_ip6) = (routed::SERVER_IP, routed::SERVER_IP6);
            routed_host(
                client,
                CLIENT_MAC,
                [CLIENT_IP, LAN_VIP, CLIENT_IP6, LAN_VIP6],
            )?;
            routed_host(
                server,
                SERVER_MAC,
                [server_ip, WAN_VIP, server_ip6, WAN_VIP6],
            )?;
            for appliance in [a, b] {
                netns::ipv6_for_new_interfaces(appliance)?;
            }
        } else {
            host(client, CLIENT_IP, CLIENT_MAC, SERVER_IP, SERVER_MAC)?;
            host(server, SERVER_IP, SERVER_MAC, CLIENT_IP, CLIENT_MAC)?;
        }
        Ok(topology)
    }

    /// The server's address.
    #[must_use]
    pub fn server_ip(&self) -> &'static str {
        if self.routed {
            routed::SERVER_IP
        } else {
            SERVER_IP
        }
    }

    /// The namespace of an appliance.
    #[must_use]
    pub fn appliance(&self, side: Side) -> &str {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// The namespace of the switch at a leg.
    #[must_use]
    pub fn switch(&self, leg: Leg) -> &str {
        match leg {
            Leg::Lan => &self.lan,
            Leg::Wan => &self.wan,
        }
    }

    /// Joins both legs of an appliance with a plain bridge in place of an engine: to try the lab.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn plain_path(&self, side: Side) -> Result<()> {
        let namespace = self.appliance(side);
        netns::ip(
            namespace,
            "link add name path type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        )?;
        netns::ip(namespace, "link set dev path arp off up")?;
        netns::ip(namespace, "link set dev lan0 master path")?;
        netns::ip(namespace, "link set dev wan0 master path")?;
        Ok(())
    }

    /// Takes the plain bridge away.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn no_plain_path(&self, side: Side) -> Result<()> {
        netns::ip(self.appliance(side), "link del dev path").map(drop)
    }

    /// Pulls (`up` = false) or plugs the cable of an appliance's leg, at the switch's end.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn set_cable(&self, side: Side, leg: Leg, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        netns::ip(
            self.switch(leg),
            &format!("link set dev {} {state}", side.name()),
        )
        .map(drop)
    }

    /// Pulls (`up` = false) or plugs A's cable to the HA switch: A loses its carrier, B does not.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn set_ha_link(&self, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        netns::ip(&self.ha, &format!("link set dev a {state}")).map(drop)
    }

    /// Has the switches of the data ports carry nothing between the two appliances (`on` = false),
    /// or carry all; the hosts are reached either way.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn set_in_band(&self, on: bool) -> Result<()> {
        let isolated = if on { "off" } else { "on" };
        for switch in [&self.lan, &self.wan] {
            for side in Side::BOTH {
                let port = side.name();
                netns::exec(
                    switch,
                    &format!("bridge link set dev {port} isolated {isolated}"),
                )?;
            }
        }
        Ok(())
    }

    /// Whether the switch sees a carrier from an appliance's leg.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn carrier(&self, side: Side, leg: Leg) -> Result<bool> {
        let text = netns::ip(
            self.switch(leg),
            &format!("-o link show dev {}", side.name()),
        )?;
        let flags = text.split(['<', '>']).nth(1).unwrap_or_default();
        Ok(flags.split(',').any(|flag| flag == "LOWER_UP"))
    }

    /// Begins to watch what comes into both switches from an appliance.
    ///
    /// # Errors
    /// Without root, or when an interface is gone.
    pub fn watch(&self, side: Side) -> Result<Watched> {
        let at = |switch: &str| {
            netns::inside(switch, || {
                RawSocket::open(sys::interface_index(side.name())?, Take::All)
            })
        };
        Ok(Watched {
            sockets: [at(&self.lan)?, at(&self.wan)?],
            routed: self.routed,
        })
    }

    /// Frames that came into both switches from an appliance since the beginning.
    ///
    /// # Errors
    /// When iproute2 refuses or its output is not understood.
    pub fn frames_from(&self, side: Side) -> Result<u64> {
        let mut sum = 0;
        for leg in [Leg::Lan, Leg::Wan] {
            sum += frames_from(self.switch(leg), side)?;
        }
        Ok(sum)
    }
}

/// What comes into both switches from an appliance, from now on.
#[derive(Debug)]
pub struct Watched {
    sockets: [RawSocket; 2],
    /// A router speaks for itself at any time (it resolves and probes its neighbours): what counts
    /// is what it says as the virtual router.
    routed: bool,
}

impl Watched {
    /// The frames that have come in so far and are no in-band heartbeats (rule 12); from routers
    /// those alone that have a virtual MAC address (RFC 9568, section 7.3) as source.
    ///
    /// # Errors
    /// What the packet sockets say.
    pub fn traffic(&self) -> Result<u64> {
        let mut count = 0;
        let mut buffer = [0; 2048];
        for socket in &self.sockets {
            loop {
                let seen = socket.receive(&mut buffer, Duration::ZERO);
                let Some(seen) = seen.map_err(LabError::io("watching a switch's port"))? else {
                    break;
                };
                let heartbeat = buffer.get(12..14) == Some(&[0x88, 0xb5]);
                let counts = if self.routed {
                    buffer.get(6..10) == Some(&[0, 0, 0x5e, 0])
                } else {
                    !heartbeat
                };
                count += u64::from(!seen.outgoing && counts);
            }
        }
        Ok(count)
    }
}

/// Frames that came into the switch of a namespace from an appliance since the beginning.
///
/// # Errors
/// When iproute2 refuses.
pub fn frames_from(switch: &str, side: Side) -> Result<u64> {
    let text = netns::ip(switch, &format!("-j -s link show dev {}", side.name()))?;
    let value = serde_json::from_str::<serde_json::Value>(&text).ok();
    Ok(value
        .and_then(|v| v.pointer("/0/stats64/rx/packets")?.as_u64())
        .unwrap_or(0))
}

/// Makes the bridge `sw` in a namespace: a switch.
///
/// # Errors
/// When iproute2 refuses.
pub fn switch(namespace: &str) -> Result<()> {
    // without spanning tree: a loop is then really a loop, and the lab sees it
    netns::ip(
        namespace,
        "link add name sw type bridge stp_state 0 forward_delay 0 ageing_time 30000 \
         mcast_snooping 0",
    )?;
    netns::ip(namespace, "link set dev sw up arp off").map(drop)
}

/// A veth pair made right inside the two namespaces, never in the machine's own; offloads off on
/// both ends. Each end is a namespace and an interface's name.
///
/// # Errors
/// When iproute2 or ethtool refuse.
pub fn wire(one: (&str, &str), two: (&str, &str)) -> Result<()> {
    netns::command(&[
        "ip", "link", "add", one.1, "netns", one.0, "type", "veth", "peer", "name", two.1, "netns",
        two.0,
    ])?;
    for (namespace, interface) in [one, two] {
        // a checksum left to a NIC that is none would reach the far end unfinished (af_packet
        // copies what it sees), and a merged frame would not fit into a ring slot
        netns::exec(
            namespace,
            &format!("ethtool -K {interface} rx off tx off sg off tso off gso off gro off"),
        )?;
    }
    Ok(())
}

/// Makes `port` a port of the bridge `sw` of namespace `switch`, up.
///
/// # Errors
/// When iproute2 refuses.
pub fn plug(switch: &str, port: &str) -> Result<()> {
    netns::ip(switch, &format!("link set dev {port} master sw"))?;
    netns::ip(switch, &format!("link set dev {port} arp off up")).map(drop)
}

fn host(namespace: &str, ip: &str, mac: &str, peer_ip: &str, peer_mac: &str) -> Result<()> {
    netns::ip(namespace, &format!("link set dev eth0 address {mac}"))?;
    netns::ip(namespace, "link set dev eth0 up")?;
    netns::ip(namespace, &format!("address add {ip}/24 dev eth0"))?;
    // permanent neighbours: no ARP of a kernel's choosing teaches the switches during a scene
    netns::ip(
        namespace,
        &format!("neighbour replace {peer_ip} lladdr {peer_mac} dev eth0 nud permanent"),
    )
    .map(drop)
}

/// A host of two families behind its gateways: address, gateway, IPv6 address, IPv6 gateway.
fn routed_host(namespace: &str, mac: &str, addresses: [&str; 4]) -> Result<()> {
    let [ip, gateway, ip6, gateway6] = addresses;
    let ipv6 = netns::enable_ipv6(namespace)?;
    netns::ip(namespace, &format!("link set dev eth0 address {mac}"))?;
    netns::ip(namespace, "link set dev eth0 up")?;
    netns::ip(namespace, &format!("address add {ip}/24 dev eth0"))?;
    netns::ip(namespace, &format!("route add default via {gateway}"))?;
    if ipv6 {
        netns::ip(namespace, &format!("address add {ip6}/64 dev eth0 nodad"))?;
        netns::ip(namespace, &format!("route add default via {gateway6}"))?;
    }
    Ok(())
}
