//! Our engine as a router: configuration files with `[[interface]]` and `[[virtual_router]]`, alone
//! or as a pair.

use super::router::{Router, Vrrp, own_address, unicast_address};
use crate::engine::{self, Engine};
use crate::error::{LabError, Result};
use crate::run::Run;
use crate::topology::{Side, Topology, routed};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Memory of one engine, in MiB: the two forwarding tables take 32 each.
pub const MEMORY_MB: u64 = 192;
/// How long an engine may take until it answers.
const READY: Duration = Duration::from_secs(20);

/// Whether there is a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A VRRP router alone.
    Standalone,
    /// One role for the pair.
    ActivePassive,
    /// Each virtual router by its own priority.
    ActiveActive,
}

/// One `[[interface]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The port: `lan` or `wan`.
    pub port: &'static str,
    /// The VLAN.
    pub vlan: Option<u16>,
    /// Addresses with their lengths.
    pub addresses: Vec<String>,
    /// Another MTU.
    pub mtu: Option<u32>,
    /// It has a kernel device.
    pub kernel: bool,
}

/// One `[[virtual_router]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Virtual {
    /// Its name.
    pub name: String,
    /// The interface.
    pub interface: String,
    /// How it speaks.
    pub vrrp: Vrrp,
    /// Its priority is that of the side (`ha.primary`) instead of the one in `vrrp`.
    pub priority_of_side: bool,
    /// The addresses.
    pub addresses: Vec<String>,
    /// `accept`.
    pub accept: bool,
}

/// What is configured in an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// With a peer or without.
    pub mode: Mode,
    /// `ha.peer_check_interval_ms`, and the interval of the link polls.
    pub interval_ms: u32,
    /// `ha.peer_failure_threshold`.
    pub threshold: u32,
    /// `ha.preempt_delay_s`.
    pub preempt_delay_s: u32,
    /// `eal.huge`.
    pub huge: bool,
    /// `eal.memory_mb`.
    pub memory_mb: u64,
    /// Cores of the management core and of the worker.
    pub cores: (u32, u32),
    /// Interfaces.
    pub interfaces: Vec<Interface>,
    /// Virtual routers.
    pub routers: Vec<Virtual>,
    /// Static routes: prefix and next hop.
    pub routes: Vec<(String, String)>,
    /// Further lines at the end.
    pub more: String,
}

impl Plan {
    /// One leg of a side, with its own addresses of both families and its kernel device.
    #[must_use]
    pub fn leg(side: Side, leg: &'static str) -> Interface {
        let (ip, ip6) = (own_address(side, false), own_address(side, true));
        let (v4, v6) = if leg == "lan" {
            ("10.77.", "fd77:")
        } else {
            ("10.88.", "fd88:")
        };
        Interface {
            name: format!("{leg}0"),
            port: leg,
            vlan: None,
            addresses: vec![
                format!("{}/24", ip.replacen("10.77.", v4, 1)),
                format!("{}/64", ip6.replacen("fd77:", v6, 1)),
            ],
            mtu: None,
            kernel: true,
        }
    }

    /// A router alone on the LAN with one virtual router, beside somebody else's.
    #[must_use]
    pub fn alone(side: Side, vrrp: &Vrrp) -> Self {
        let mut lan = Self::leg(side, "lan");
        lan.kernel = false;
        if vrrp.unicast && vrrp.ipv6 {
            lan.addresses
                .push(format!("{}/64", unicast_address(side, true)));
        }
        Self {
            mode: Mode::Standalone,
            interval_ms: 50,
            threshold: 5,
            preempt_delay_s: 0,
            // several beds may be there at a time
            huge: false,
            memory_mb: MEMORY_MB,
            cores: cores(),
            interfaces: vec![lan],
            routers: vec![Virtual {
                name: "gateway".into(),
                interface: "lan0".into(),
                vrrp: vrrp.clone(),
                priority_of_side: false,
                addresses: vrrp.addresses().iter().map(ToString::to_string).collect(),
                accept: true,
            }],
            routes: Vec::new(),
            more: String::new(),
        }
    }

    /// One side of a pair between LAN and WAN: a virtual router for each family on each leg,
    /// adverts each `interval_ms`, priority by `ha.primary`.
    #[must_use]
    pub fn pair(side: Side, interval_ms: u32, threshold: u32) -> Self {
        let mut routers = Vec::new();
        for (leg, vrid, v4, v6) in [
            ("lan0", 51, routed::LAN_VIP, routed::LAN_VIP6),
            ("wan0", 52, routed::WAN_VIP, routed::WAN_VIP6),
        ] {
            for ipv6 in [false, true] {
                routers.push(Virtual {
                    name: format!("{leg}-{}", if ipv6 { 6 } else { 4 }),
                    interface: leg.into(),
                    vrrp: Vrrp {
                        vrid,
                        ipv6,
                        interval_ms,
                        checksum: "any",
                        ..Vrrp::default()
                    },
                    priority_of_side: true,
                    addresses: if ipv6 {
                        vec![routed::LINK_LOCAL_VIP.into(), v6.into()]
                    } else {
                        vec![v4.into()]
                    },
                    accept: true,
                });
            }
        }
        Self {
            mode: Mode::ActivePassive,
            interval_ms,
            threshold,
            preempt_delay_s: 2,
            huge: engine::hugepages_suffice_for(MEMORY_MB),
            memory_mb: MEMORY_MB,
            cores: cores(),
            interfaces: vec![Self::leg(side, "lan"), Self::leg(side, "wan")],
            routers,
            routes: Vec::new(),
            more: String::new(),
        }
    }

    /// The text of the configuration file of a side.
    #[must_use]
    pub fn text(&self, side: Side, prefix: &str, directory: &Path) -> String {
        let name = side.name();
        let place = directory.display();
        let primary = side == Side::A;
        let id = if primary { 1 } else { 2 };
        let Self {
            interval_ms,
            threshold,
            preempt_delay_s,
            huge,
            memory_mb,
            cores,
            ..
        } = self;
        let mut text = format!(
            "# made by the lab for one run\n\
             [instance]\nname = \"{name}\"\nid = {id}\nstack = \"lab\"\n\
             control_socket = \"{place}/{name}.sock\"\nstate_file = \"{place}/{name}.state\"\n\n\
             [eal]\nfile_prefix = \"{prefix}-{name}\"\nmemory_mb = {memory_mb}\nhuge = {huge}\n\
             telemetry = false\n\n"
        );
        let mut ports: Vec<&str> = Vec::new();
        for interface in &self.interfaces {
            if !ports.contains(&interface.port) {
                ports.push(interface.port);
            }
        }
        if self.mode != Mode::Standalone {
            ports.push("ha");
        }
        for &port in &ports {
            let ring = if port == "ha" { 4096 } else { 512 };
            // past the qdisc, a frame for a cable that is out stays in the ring until the next one
            // goes out: an advert of a past role, seconds later
            // writing into a String cannot fail
            let _ = write!(
                text,
                "[[port]]\nname = \"{port}\"\n\
                 vdev = \"net_af_packet_{port},iface={port}0,blocksz=4096,framesz=2048,framecnt={ring},qpairs=1,qdisc_bypass=0\"\n\
                 kernel_interface = \"{port}0\"\nrx_descriptors = 512\ntx_descriptors = 512\n\n"
            );
        }
        for interface in &self.interfaces {
            let Interface {
                name,
                port,
                vlan,
                addresses,
                mtu,
                kernel,
            } = interface;
            let _ = write!(
                text,
                "[[interface]]\nname = \"{name}\"\nport = \"{port}\"\naddresses = {addresses:?}\n"
            );
            if let Some(vlan) = vlan {
                let _ = writeln!(text, "vlan = {vlan}");
            }
            if let Some(mtu) = mtu {
                let _ = writeln!(text, "mtu = {mtu}");
            }
            if *kernel {
                let _ = writeln!(text, "kernel = \"tw-{name}\"");
            }
            text.push('\n');
        }
        for (prefix, via) in &self.routes {
            let _ = write!(
                text,
                "[[route]]\nprefix = \"{prefix}\"\nvia = \"{via}\"\n\n"
            );
        }
        for router in &self.routers {
            let Virtual {
                name,
                interface,
                vrrp,
                priority_of_side,
                addresses,
                accept,
            } = router;
            let _ = write!(
                text,
                "[[virtual_router]]\nname = \"{name}\"\ninterface = \"{interface}\"\nvrid = {}\n\
                 version = {}\naddresses = {addresses:?}\ninterval_ms = {}\npreempt = {}\n\
                 accept = {accept}\n",
                vrrp.vrid, vrrp.version, vrrp.interval_ms, vrrp.preempt
            );
            // over IPv6 and in version 2 there is one rule only
            if vrrp.version == 3 && !vrrp.ipv6 {
                let _ = writeln!(text, "checksum = \"{}\"", vrrp.checksum);
            }
            if !priority_of_side {
                let _ = writeln!(text, "priority = {}", vrrp.priority);
            }
            if vrrp.unicast {
                let peer = unicast_address(side.other(), vrrp.ipv6);
                let _ = writeln!(text, "peers = [\"{peer}\"]");
            }
            text.push('\n');
        }
        let mode = match self.mode {
            Mode::Standalone => "standalone",
            Mode::ActivePassive => "active-passive",
            Mode::ActiveActive => "active-active",
        };
        let _ = write!(text, "[ha]\nmode = \"{mode}\"\n");
        if self.mode != Mode::Standalone {
            let _ = write!(
                text,
                "primary = {primary}\nport = \"ha\"\nkey_file = \"{place}/stack.key\"\n\
                 peer_check_interval_ms = {interval_ms}\npeer_failure_threshold = {threshold}\n\
                 preempt = true\npreempt_delay_s = {preempt_delay_s}\n\
                 # the scenes take the role away again and again: no limit, and a short memory\n\
                 max_flaps = 0\nflap_window_s = 1\n\n\
                 [ha.links]\ninterval_ms = {interval_ms}\nminimum_active = {}\nsettle_ms = 500\n",
                // all ports with interfaces
                ports.len() - 1
            );
        }
        let _ = write!(
            text,
            "\n[lcores]\nmain = {}\nworkers = [{}]\npolling = \"adaptive\"\n{}",
            cores.0, cores.1, self.more
        );
        text
    }
}

/// The cores of this machine for management core and worker.
#[must_use]
pub fn cores() -> (u32, u32) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (0, u32::from(cores > 1))
}

/// Our engine on one side of a bed.
#[derive(Debug)]
pub struct Ours {
    side: Side,
    namespace: String,
    binary: PathBuf,
    text: String,
    engine: Option<Engine>,
}

impl Ours {
    /// A router alone, with one virtual router; nothing is started.
    ///
    /// # Errors
    /// When there is no engine binary.
    pub fn new(
        run: &Run,
        topology: &Topology,
        side: Side,
        vrrp: &Vrrp,
        binary: Option<&Path>,
    ) -> Result<Self> {
        Self::planned(run, topology, side, &Plan::alone(side, vrrp), binary)
    }

    /// As the plan says; nothing is started.
    ///
    /// # Errors
    /// When there is no engine binary.
    pub fn planned(
        run: &Run,
        topology: &Topology,
        side: Side,
        plan: &Plan,
        binary: Option<&Path>,
    ) -> Result<Self> {
        Ok(Self {
            side,
            namespace: topology.appliance(side).to_owned(),
            binary: engine::find(binary)?,
            text: plan.text(side, run.prefix(), run.directory()),
            engine: None,
        })
    }

    /// The engine, once it was started.
    #[must_use]
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    fn running(&mut self) -> Result<&mut Engine> {
        let what = format!("engine {}", self.side);
        self.engine
            .as_mut()
            .ok_or_else(|| LabError::io(what)(std::io::ErrorKind::NotFound.into()))
    }
}

impl Router for Ours {
    fn start(&mut self, run: &Run) -> Result<()> {
        match &mut self.engine {
            Some(engine) => engine.restart(run)?,
            None => {
                let engine =
                    Engine::start_with(run, self.side, &self.namespace, &self.binary, &self.text)?;
                self.engine = Some(engine);
            }
        }
        let begin = Instant::now();
        while self.running()?.status().is_err() {
            self.alive(run)?;
            if begin.elapsed() > READY {
                return Err(LabError::Timeout {
                    what: format!("engine {} to answer", self.side),
                    waited_ms: READY.as_millis(),
                    seen: "no answer".into(),
                    logs: self.logs(),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn kill(&mut self, run: &Run) -> Result<()> {
        self.running()?.kill(run)
    }

    fn terminate(&mut self, run: &Run) -> Result<()> {
        let status = self.running()?.end(run)?;
        if status == "exit status: 0" {
            return Ok(());
        }
        Err(LabError::EngineDied {
            name: self.side.to_string(),
            status,
            logs: self.logs(),
        })
    }

    fn alive(&mut self, run: &Run) -> Result<()> {
        let side = self.side;
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        if engine.pid().is_none() {
            return Ok(());
        }
        match engine.ended(run)? {
            None => Ok(()),
            Some(status) => Err(LabError::EngineDied {
                name: side.to_string(),
                status,
                logs: engine.log_tail(25),
            }),
        }
    }

    fn says_active(&self) -> Result<Option<bool>> {
        let running = self.engine.as_ref().filter(|e| e.pid().is_some());
        // one that ends or starts does not answer
        let shown = running.and_then(|e| e.ctl("show virtual-routers").ok());
        let routers = shown.as_ref().and_then(|shown| shown["routers"].as_array());
        Ok(routers.map(|all| all.iter().any(|router| router["state"] == "active")))
    }

    fn logs(&self) -> String {
        self.engine
            .as_ref()
            .map_or(String::new(), |engine| engine.log_tail(25))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(plan: &Plan, side: Side) -> twinline_config::Config {
        let directory = tempfile::tempdir().unwrap();
        let key = engine::new_key().unwrap();
        engine::write_key(&directory.path().join("stack.key"), &key).unwrap();
        let text = plan.text(side, "tl1x0", directory.path());
        let loaded = twinline_config::Config::parse(&text, "a.toml");
        let loaded = loaded.unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert!(loaded.warnings.is_empty(), "{:?}\n{text}", loaded.warnings);
        loaded.config
    }

    #[test]
    fn pairs_and_lone_routers_are_good_configurations() {
        for side in Side::BOTH {
            let config = check(&Plan::pair(side, 50, 5), side);
            assert_eq!(config.virtual_routers.len(), 4);
            let wanted = if side == Side::A { 150 } else { 100 };
            assert!(config.virtual_routers.iter().all(|r| r.priority == wanted));
            for vrrp in [
                Vrrp::default(),
                Vrrp {
                    ipv6: true,
                    preempt: false,
                    ..Vrrp::default()
                },
                Vrrp {
                    version: 2,
                    interval_ms: 1000,
                    unicast: true,
                    ..Vrrp::default()
                },
                Vrrp {
                    ipv6: true,
                    unicast: true,
                    ..Vrrp::default()
                },
            ] {
                let config = check(&Plan::alone(side, &vrrp), side);
                let router = &config.virtual_routers[0];
                assert_eq!(router.priority, vrrp.priority);
                assert_eq!(router.preempt, vrrp.preempt);
                assert_eq!(router.interval_ms, vrrp.interval_ms);
                assert_eq!(router.peers.len(), usize::from(vrrp.unicast));
            }
        }
    }
}
