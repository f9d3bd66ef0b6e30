//! Heartbeats over the data ports: the second path (rule 12).
//!
//! Every data port says each heartbeat. As long as nobody is heard at a port it speaks to a group
//! address, five times a second: a probe that switches flood. Who hears a probe answers to the port that
//! it came from, so both know each other's ports a moment later, and from then on each heartbeat
//! goes from port to port.
//!
//! The workers carry both ways: they send what is handed to them, and divert what comes in
//! ([`twinline_dataplane::Diverted`]).

use std::collections::BTreeMap;
use std::time::Duration;

use twinline_control::HeartbeatDump;
use twinline_ha as ha;
use twinline_ha::{Side, Time};
use twinline_wire::heartbeat::{
    Auth, DropCounters, EmitError, Expect, Header, MAX_PAYLOAD_LEN, Path, parse_payload,
};
use twinline_wire::{Mac, in_band};

use crate::convert;
use crate::ha_port::{Identity, Signers, reject_of};
use crate::heartbeat_dump::LastHeartbeats;

/// Between two probes of a port at which nobody is heard: seldom enough to be no noise, often enough
/// that two ACTIVE instances whose cut network heals find each other before a loop has grown.
const PROBE_EVERY: Duration = Duration::from_millis(200);
/// For how long a peer's port is spoken to that is heard no more, at least.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Peers remembered at one port.
const PEERS_A_PORT: usize = 16;

/// A frame to be sent from a data port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The link pair's index.
    pub pair: u16,
    /// The side whose port sends it.
    pub side: Side,
    /// The frame.
    pub frame: Vec<u8>,
}

/// One data port.
struct DataPort {
    pair: u16,
    side: Side,
    mac: Mac,
    /// The ports of peers that are heard here, and when they were last.
    heard: BTreeMap<u16, (Mac, Time)>,
    next_probe: Time,
}

/// The in-band path.
pub struct InBand {
    identity: Identity,
    vlan: u16,
    /// Both instances on one wire: at most one side of a pair faces the peer.
    series: bool,
    ports: Vec<DataPort>,
    signers: Signers,
    last: LastHeartbeats,
    drops: DropCounters,
    sent: u64,
    send_failures: u64,
}

impl InBand {
    /// The path over these ports: pair, side, and the port's own address.
    #[must_use]
    pub fn new(identity: Identity, vlan: u16, series: bool, ports: &[(u16, Side, Mac)]) -> Self {
        let ports = ports.iter().map(|&(pair, side, mac)| DataPort {
            pair,
            side,
            mac,
            heard: BTreeMap::new(),
            next_probe: Time::ZERO,
        });
        Self {
            identity,
            vlan,
            series,
            ports: ports.collect(),
            signers: Signers::default(),
            last: LastHeartbeats::default(),
            drops: DropCounters::default(),
            sent: 0,
            send_failures: 0,
        }
    }

    /// The heartbeats sent and received last, in words.
    #[must_use]
    pub fn dump(&self, auth: &Auth) -> Vec<HeartbeatDump> {
        self.last.dump(self.identity.reading(auth, Path::InBand))
    }

    /// Frames dropped, by cause.
    #[must_use]
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// With which key each peer signed last.
    #[must_use]
    pub fn signers(&self) -> &Signers {
        &self.signers
    }

    /// Frames sent, and frames for which a worker had no room.
    #[must_use]
    pub fn sent(&self) -> (u64, u64) {
        (self.sent, self.send_failures)
    }

    /// Counts a frame that was handed to a worker, or was not.
    pub fn count_sent(&mut self, sent: bool) {
        if sent {
            self.sent += 1;
        } else {
            self.send_failures += 1;
        }
    }

    /// The data ports at which this peer is heard, as pair and side.
    pub fn heard_at(&self, instance: u16, now: Time) -> impl Iterator<Item = (u16, Side)> {
        self.ports
            .iter()
            .filter(move |port| {
                let heard = port.heard.get(&instance);
                heard.is_some_and(|(_, at)| now.since(*at) < KNOWN_FOR)
            })
            .map(|port| (port.pair, port.side))
    }

    /// Takes a frame that a worker diverted.
    pub fn receive(
        &mut self,
        now: Time,
        at: (u16, Side),
        frame: &[u8],
        auth: &Auth,
        messages: &mut Vec<ha::Message>,
        rejects: &mut Vec<ha::Reject>,
    ) {
        let Some((source, payload)) = in_band::payload(frame) else {
            return;
        };
        let expect = Expect {
            udp_port: self.identity.udp_port,
            stack: &self.identity.stack,
            own_instance: self.identity.instance,
            auth,
        };
        match parse_payload(payload, source, &expect) {
            Ok(parsed) => {
                let port = self.ports.iter_mut().find(|p| (p.pair, p.side) == at);
                if let Some(port) = port {
                    let known = port.heard.contains_key(&parsed.instance);
                    if known || port.heard.len() < PEERS_A_PORT {
                        port.heard.insert(parsed.instance, (source, now));
                    }
                }
                self.signers.note(parsed.instance, parsed.key, auth);
                self.last.note_received(&parsed, frame);
                messages.push(convert::message_in(&parsed));
            }
            Err(cause) => {
                // Two stacks may well share a data network: no alarm for another one's probe.
                let reject = reject_of(&cause, self.identity.boot);
                if let Some(reject) = reject
                    && !matches!(reject, ha::Reject::OtherStack(_))
                    && !rejects.contains(&reject)
                {
                    rejects.push(reject);
                }
                self.drops.count(&cause);
            }
        }
    }

    /// The frames that say this heartbeat at every data port.
    pub fn heartbeat(
        &mut self,
        now: Time,
        seq: u64,
        heartbeat: &ha::Heartbeat,
        auth: &Auth,
    ) -> Vec<Outgoing> {
        let frame = convert::heartbeat_out(heartbeat);
        let out = self.say(now, seq, |buffer, header| {
            frame.emit_payload(buffer, header, auth)
        });
        if let Some(last) = out.last() {
            self.last.note_sent(&last.frame);
        }
        out
    }

    /// The frames that say this share of the address table.
    pub fn macs(
        &mut self,
        now: Time,
        seq: u64,
        chunk: &ha::MacChunk,
        auth: &Auth,
    ) -> Vec<Outgoing> {
        let frame = convert::macs_out(chunk);
        self.say(now, seq, |buffer, header| {
            frame.emit_payload(buffer, header, auth)
        })
    }

    /// The frames that say this share of the table of neighbours.
    pub fn neighbours(
        &mut self,
        now: Time,
        seq: u64,
        chunk: &ha::NeighbourChunk,
        auth: &Auth,
    ) -> Vec<Outgoing> {
        let frame = convert::neighbours_out(chunk);
        self.say(now, seq, |buffer, header| {
            frame.emit_payload(buffer, header, auth)
        })
    }

    fn say(
        &mut self,
        now: Time,
        seq: u64,
        emit: impl FnOnce(&mut [u8], &Header) -> Result<usize, EmitError>,
    ) -> Vec<Outgoing> {
        let header = Header {
            stack: self.identity.stack,
            instance: self.identity.instance,
            boot: self.identity.boot,
            seq,
            path: Path::InBand,
        };
        let mut buffer = [0; MAX_PAYLOAD_LEN];
        let length = match emit(&mut buffer, &header) {
            Ok(length) => length,
            Err(error) => {
                log::error!("an in-band heartbeat could not be built: {error}");
                self.send_failures += 1;
                return Vec::new();
            }
        };
        let payload = buffer.get(..length).unwrap_or_default();
        let mut out = Vec::new();
        for (port, destination) in self.destinations(now) {
            let Some(port) = self.ports.get(port) else {
                continue;
            };
            let mut header = [0; in_band::MAX_HEADER_LEN];
            let Some(length) = in_band::emit_header(destination, port.mac, self.vlan, &mut header)
            else {
                continue;
            };
            let frame = [header.get(..length).unwrap_or_default(), payload].concat();
            out.push(Outgoing {
                pair: port.pair,
                side: port.side,
                frame,
            });
        }
        out
    }

    /// Where a heartbeat goes now, by the port's index: to the known ports, and as a probe.
    fn destinations(&mut self, now: Time) -> Vec<(usize, Mac)> {
        for port in &mut self.ports {
            port.heard.retain(|_, (_, at)| now.since(*at) < KNOWN_FOR);
        }
        let most = self.ports.iter().map(|p| p.heard.len()).max().unwrap_or(0);
        let faces = |pair| {
            let ports = self.ports.iter().filter(move |p| p.pair == pair);
            ports.map(|p| p.heard.len()).max().unwrap_or(0)
        };
        let satisfied: Vec<bool> = self
            .ports
            .iter()
            .map(|port| {
                let known = if self.series {
                    faces(port.pair)
                } else {
                    port.heard.len()
                };
                known > 0 && known >= most
            })
            .collect();
        let mut out = Vec::new();
        for (index, (port, satisfied)) in self.ports.iter_mut().zip(satisfied).enumerate() {
            out.extend(port.heard.values().map(|(mac, _)| (index, *mac)));
            if !satisfied && now >= port.next_probe {
                port.next_probe = now + PROBE_EVERY;
                out.push((index, in_band::GROUP));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use twinline_wire::heartbeat::{Key, StackName};

    use crate::ha_port::Destination;

    fn mac(instance: u16, side: Side) -> Mac {
        let side = u8::from(side == Side::Wan);
        Mac([2, 0, 0, 0, instance.to_be_bytes()[1], side])
    }

    fn end(instance: u16, stack: &str, series: bool) -> InBand {
        let identity = Identity {
            stack: StackName::new(stack).unwrap(),
            instance,
            boot: 70 + u64::from(instance),
            mac: Mac::default(),
            address: Ipv4Addr::UNSPECIFIED,
            udp_port: 11211,
            destination: Destination::Peers(Vec::new()),
        };
        let port = |side| (0, side, mac(instance, side));
        InBand::new(identity, 0, series, &[port(Side::Lan), port(Side::Wan)])
    }

    fn auth() -> Auth {
        Auth::keyed(Key::derive(&[3; 32]), None)
    }

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    fn heartbeat() -> ha::Heartbeat {
        ha::Heartbeat {
            role: ha::Role::Passive,
            flags: ha::Flags::FIT,
            successor: 0,
            epoch: 1,
            unfit: None,
            pairs_up: 1,
            pairs_total: 1,
            bandwidth_bps: 0,
            flaps: 0,
            interval: Duration::from_millis(100),
            failure_threshold: 3,
            config_digest: 7,
            tx_time: Time::ZERO,
            echoes: Vec::new(),
        }
    }

    fn said(end: &mut InBand, ms: u64, seq: u64) -> Vec<Outgoing> {
        end.heartbeat(at(ms), seq, &heartbeat(), &auth())
    }

    fn hear(end: &mut InBand, ms: u64, side: Side, frame: &[u8]) -> Vec<ha::Message> {
        let (mut messages, mut rejects) = (Vec::new(), Vec::new());
        let now = at(ms);
        end.receive(now, (0, side), frame, &auth(), &mut messages, &mut rejects);
        assert!(rejects.is_empty());
        messages
    }

    fn destinations(out: &[Outgoing]) -> Vec<(Side, Mac)> {
        let destination = |f: &[u8]| Mac(f.first_chunk::<6>().copied().unwrap());
        out.iter()
            .map(|o| (o.side, destination(&o.frame)))
            .collect()
    }

    #[test]
    fn rule_12_ports_find_each_other_by_a_probe_and_then_speak_to_each_other_alone() {
        let (mut a, mut b) = (end(1, "edge", false), end(2, "edge", false));
        let probes = said(&mut a, 0, 1);
        let group = in_band::GROUP;
        assert_eq!(
            destinations(&probes),
            [(Side::Lan, group), (Side::Wan, group)]
        );
        assert!(said(&mut a, 199, 2).is_empty(), "a probe, then a pause");
        let heard = hear(&mut b, 1, Side::Lan, &probes[0].frame);
        assert_eq!(heard[0].path, ha::Path::InBand);
        assert_eq!((heard[0].instance, heard[0].boot, heard[0].seq), (1, 71, 1));
        let answer = said(&mut b, 2, 1);
        assert_eq!(
            destinations(&answer),
            [(Side::Lan, mac(1, Side::Lan)), (Side::Wan, group)]
        );
        hear(&mut a, 3, Side::Lan, &answer[0].frame);
        hear(&mut a, 3, Side::Wan, &answer[1].frame);
        let both = [
            (Side::Lan, mac(2, Side::Lan)),
            (Side::Wan, mac(2, Side::Wan)),
        ];
        assert_eq!(destinations(&said(&mut a, 900, 3)), both);
        assert_eq!(a.heard_at(2, at(900)).count(), 2);
        // Nobody is heard for a second: probes again.
        assert_eq!(destinations(&said(&mut a, 1003, 4)), destinations(&probes));
        assert_eq!(a.heard_at(2, at(1003)).count(), 0);
    }

    #[test]
    fn rule_12_in_series_the_far_side_is_left_in_peace_once_the_peer_is_found() {
        let (mut a, mut b) = (end(1, "edge", true), end(2, "edge", true));
        let probes = said(&mut a, 0, 1);
        hear(&mut b, 1, Side::Lan, &probes[1].frame);
        let answer = said(&mut b, 2, 1);
        assert_eq!(destinations(&answer), [(Side::Lan, mac(1, Side::Wan))]);
    }

    #[test]
    fn rule_05_what_is_not_of_a_peer_of_ours_is_counted_and_makes_no_message() {
        let mut a = end(1, "edge", false);
        let own = said(&mut a, 0, 1);
        assert!(hear(&mut a, 1, Side::Lan, &own[0].frame).is_empty());
        let mut other = end(2, "core", false);
        let foreign = said(&mut other, 0, 1);
        assert!(hear(&mut a, 1, Side::Lan, &foreign[0].frame).is_empty());
        let (mut messages, mut rejects) = (Vec::new(), Vec::new());
        let mut damaged = said(&mut end(2, "edge", false), 0, 1)[0].frame.clone();
        damaged[100] ^= 1;
        let lan = (0, Side::Lan);
        a.receive(at(2), lan, &damaged, &auth(), &mut messages, &mut rejects);
        a.receive(at(2), lan, &[0; 40], &auth(), &mut messages, &mut rejects);
        assert!(messages.is_empty());
        assert_eq!(rejects, [ha::Reject::BadKey]);
        let counted: Vec<_> = a.drops().iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(
            counted,
            [("other_stack", 1), ("own_instance", 1), ("bad_key", 1)]
        );
        assert_eq!(a.heard_at(2, at(2)).count(), 0);
    }
}
