//! A router of ours alone between wires whose far ends are the test's: whatever comes in is the
//! test's, and whatever goes out is seen, tags and all.
//!
//! ```text
//! test -- lan0 [engine] wan0 -- test
//! ```
//!
//! Each wire is a TAP device in the engine's namespace. No kernel has an address there, so that
//! counters can be told to the last frame.

use super::frame::Mac;
use super::ours::{Mode, Plan};
use super::packet::{self, Frame};
use crate::engine::{self, Engine};
use crate::error::{LabError, Result};
use crate::netns;
use crate::run::Run;
use crate::sys::TapDevice;
use crate::topology::Side;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// MAC address of the router's LAN port.
pub const LAN_MAC: Mac = [2, 0x77, 0, 0, 0xaa, 1];
/// MAC address of the router's WAN port.
pub const WAN_MAC: Mac = [2, 0x77, 0, 0, 0xaa, 2];
/// Own IPv6 addresses are probed for a second before they are used (RFC 4862).
const PROBING: Duration = Duration::from_millis(1500);
/// How long an engine may take until it answers and is settled.
const READY: Duration = Duration::from_secs(30);

/// The far end of a wire.
#[derive(Debug)]
pub struct Wire(TapDevice);

impl Wire {
    fn lay(namespace: &str, name: &str, mac: Mac) -> Result<Self> {
        let device = netns::inside(namespace, || TapDevice::open(name))?;
        let mac = super::frame::mac_text(mac);
        netns::ip(namespace, &format!("link set dev {name} address {mac}"))?;
        netns::ip(namespace, &format!("link set dev {name} arp off up"))?;
        Ok(Self(device))
    }

    /// Sends a whole frame to the router.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        self.0.send(frame).map_err(LabError::io("a wire"))
    }

    /// Plugs the cable in, or pulls it out.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn plug(&self, plugged: bool) -> Result<()> {
        self.0.set_carrier(plugged).map_err(LabError::io("a wire"))
    }

    /// The first frame of the router that `wanted` makes something of, within `timeout`. What came
    /// before it is gone.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn wait<T>(
        &self,
        timeout: Duration,
        mut wanted: impl FnMut(&Frame<'_>) -> Option<T>,
    ) -> Result<Option<T>> {
        let end = Instant::now() + timeout;
        let mut buffer = [0; 2048];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let got = self.0.receive(&mut buffer, left);
            match got.map_err(LabError::io("a wire"))? {
                Some(length) => {
                    let frame = packet::open(&buffer[..length.min(buffer.len())]);
                    if let Some(found) = frame.as_ref().and_then(&mut wanted) {
                        return Ok(Some(found));
                    }
                }
                None if left.is_zero() => return Ok(None),
                None => {}
            }
        }
    }

    /// Everything that the router has sent by now and what comes for `more`.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn all(&self, more: Duration) -> Result<Vec<Vec<u8>>> {
        let end = Instant::now() + more;
        let mut buffer = [0; 2048];
        let mut frames = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let got = self.0.receive(&mut buffer, left);
            match got.map_err(LabError::io("a wire"))? {
                Some(length) => frames.push(buffer[..length.min(buffer.len())].to_vec()),
                None if left.is_zero() => return Ok(frames),
                None => {}
            }
        }
    }

    /// Waits for the router's question for `host` (with its VLAN), and answers that it is at `mac`.
    /// False when it does not ask.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn answer(
        &self,
        (mac, host): (Mac, IpAddr),
        vlan: Option<u16>,
        timeout: Duration,
    ) -> Result<bool> {
        let asked = self.wait(timeout, |frame| {
            let answer = match host {
                IpAddr::V4(host) => {
                    let asks = frame.kind == packet::ARP
                        && frame.payload.get(6..8) == Some(&[0, 1])
                        && frame.payload.get(24..28) == Some(&host.octets()[..]);
                    let sender: [u8; 4] = *frame.payload.get(14..)?.first_chunk()?;
                    let reply = packet::arp(2, (mac, host), (frame.from, sender.into()));
                    asks.then(|| packet::ethernet(frame.from, mac, frame.vlan, packet::ARP, &reply))
                }
                IpAddr::V6(host) => {
                    let ip = frame.ip()?;
                    let asks = ip.protocol == packet::ICMPV6
                        && ip.body.first() == Some(&135)
                        && ip.body.get(8..24) == Some(&host.octets()[..]);
                    let IpAddr::V6(asker) = ip.from else {
                        return None;
                    };
                    let reply = packet::advertisement(mac, host, asker);
                    asks.then(|| packet::carry(frame.from, mac, frame.vlan, &reply))
                }
            };
            answer.filter(|_| frame.vlan == vlan)
        })?;
        match asked {
            Some(answer) => self.send(&answer).map(|()| true),
            None => Ok(false),
        }
    }
}

/// The router and its wires.
#[derive(Debug)]
pub struct Wires {
    /// The far end of the LAN.
    pub lan: Wire,
    /// The far end of the WAN.
    pub wan: Wire,
    /// The far end of the HA port's wire, where there is one.
    pub ha: Option<Wire>,
    /// The engine.
    pub engine: Engine,
    /// Its namespace.
    pub namespace: String,
    // last: the namespace goes away after what runs in it
    run: Run,
}

impl Wires {
    /// Lays the wires, starts side A's engine as planned, and waits until it answers.
    ///
    /// # Errors
    /// When the machine refuses, or the engine does not answer.
    pub fn lay(plan: &Plan) -> Result<Self> {
        let run = Run::begin()?;
        let namespace = run.namespace("a")?;
        let lan = Wire::lay(&namespace, "lan0", LAN_MAC)?;
        let wan = Wire::lay(&namespace, "wan0", WAN_MAC)?;
        let ha = match plan.mode {
            Mode::Standalone => None,
            _ => {
                let key = engine::new_key()?;
                engine::write_key(&run.directory().join("stack.key"), &key)?;
                Some(Wire::lay(&namespace, "ha0", [2, 0x77, 0, 0, 0xaa, 3])?)
            }
        };
        let text = plan.text(Side::A, run.prefix(), run.directory());
        let binary = engine::find(None)?;
        let mut engine = Engine::start_with(&run, Side::A, &namespace, &binary, &text)?;
        let begin = Instant::now();
        while engine.status().is_err() {
            let ended = engine.ended(&run)?;
            if begin.elapsed() > READY || ended.is_some() {
                return Err(LabError::Timeout {
                    what: "the engine to answer".into(),
                    waited_ms: READY.as_millis(),
                    seen: ended.unwrap_or_else(|| "no answer".into()),
                    logs: engine.log_tail(25),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self {
            lan,
            wan,
            ha,
            engine,
            namespace,
            run,
        })
    }

    /// Waits until every virtual router is in this state, and own IPv6 addresses have been probed.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn settle(&self, state: &str) -> Result<()> {
        let begin = Instant::now();
        loop {
            let shown = self.engine.ctl("show virtual-routers")?;
            let routers = shown["routers"].as_array().cloned().unwrap_or_default();
            if !routers.is_empty() && routers.iter().all(|router| router["state"] == state) {
                std::thread::sleep(PROBING.saturating_sub(begin.elapsed()));
                return Ok(());
            }
            if begin.elapsed() > READY {
                return Err(LabError::Timeout {
                    what: format!("all virtual routers {state}"),
                    waited_ms: READY.as_millis(),
                    seen: shown.to_string(),
                    logs: self.engine.log_tail(25),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The run that owns everything.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }
}
