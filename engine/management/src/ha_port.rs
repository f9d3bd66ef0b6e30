//! The HA port: heartbeats out and in over its queue, without a kernel socket (rules 4 and 5).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use dpdk::{Burst, Pool, RxQueue, TxQueue};
use twinline_control::HeartbeatDump;
use twinline_ha as ha;
use twinline_wire::Mac;
use twinline_wire::heartbeat::{
    Addressing, Auth, DropCause, DropCounters, Expect, Header, Key, KeyUsed, MAX_FRAME_LEN, Path,
    StackName, parse,
};

use crate::convert;
use crate::heartbeat_dump::{LastHeartbeats, Reading};

/// For how long the queue is read in one tick at most: a flood at the HA port must not keep the core
/// from judging. Long enough for some thousand frames, all that a port's ring holds.
const READING: Duration = Duration::from_millis(2);
/// Bursts between two looks at the clock.
const BURSTS_A_LOOK: usize = 8;
/// Peers whose MAC address is remembered.
const PEER_MACS: usize = 64;

/// With which key each peer signed last.
#[derive(Debug, Default)]
pub struct Signers(BTreeMap<u16, Key>);

impl Signers {
    /// An authentic message of this peer.
    pub fn note(&mut self, instance: u16, used: KeyUsed, auth: &Auth) {
        if let Some(key) = auth.key(used)
            && (self.0.contains_key(&instance) || self.0.len() < PEER_MACS)
        {
            self.0.insert(instance, key.clone());
        }
    }

    /// The peers whose heartbeats these keys would not verify.
    pub fn lost_with<'a>(&'a self, auth: &'a Auth) -> impl Iterator<Item = u16> + 'a {
        let lost = self.0.iter().filter(|(_, key)| !auth.accepts(key));
        lost.map(|(&instance, _)| instance)
    }
}

/// How heartbeats find their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To everybody on the HA network.
    Multicast(Ipv4Addr),
    /// To each of these.
    Peers(Vec<Ipv4Addr>),
}

/// Who we are on the HA network.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Our stack.
    pub stack: StackName,
    /// Our instance id.
    pub instance: u16,
    /// This run's boot id.
    pub boot: u64,
    /// The HA port's MAC address.
    pub mac: Mac,
    /// Our address on the HA network.
    pub address: Ipv4Addr,
    /// UDP port at both ends.
    pub udp_port: u16,
    /// Where heartbeats go.
    pub destination: Destination,
}

impl Identity {
    /// What is needed to read heartbeats of a path.
    pub(crate) fn reading<'a>(&'a self, auth: &'a Auth, path: Path) -> Reading<'a> {
        Reading {
            instance: self.instance,
            stack: &self.stack,
            auth,
            udp_port: self.udp_port,
            path,
        }
    }
}

/// The queue pair of the HA port and what is counted there.
pub struct HaPort {
    rx: RxQueue,
    tx: TxQueue,
    pool: Pool,
    identity: Identity,
    auth: Auth,
    drops: DropCounters,
    sent: u64,
    send_failures: u64,
    peer_macs: BTreeMap<Ipv4Addr, Mac>,
    signers: Signers,
    last: LastHeartbeats,
    burst: Burst<32>,
}

impl HaPort {
    /// Takes the queues into service.
    #[must_use]
    pub fn new(rx: RxQueue, tx: TxQueue, pool: Pool, identity: Identity, auth: Auth) -> Self {
        Self {
            rx,
            tx,
            pool,
            identity,
            auth,
            drops: DropCounters::default(),
            sent: 0,
            send_failures: 0,
            peer_macs: BTreeMap::new(),
            signers: Signers::default(),
            last: LastHeartbeats::default(),
            burst: Burst::new(),
        }
    }

    /// Uses other keys from now on (a reload).
    pub fn set_auth(&mut self, auth: Auth) {
        self.auth = auth;
    }

    /// With which key each peer signed last.
    #[must_use]
    pub fn signers(&self) -> &Signers {
        &self.signers
    }

    /// The keys in use.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Whether heartbeats are signed with a key.
    #[must_use]
    pub fn authenticated(&self) -> bool {
        self.auth.is_keyed()
    }

    /// The heartbeats sent and received last, in words.
    #[must_use]
    pub fn dump(&self) -> Vec<HeartbeatDump> {
        self.last
            .dump(self.identity.reading(&self.auth, Path::HaPort))
    }

    /// Frames dropped, by cause.
    #[must_use]
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// Messages sent, and messages for which the port had no room.
    #[must_use]
    pub fn sent(&self) -> (u64, u64) {
        (self.sent, self.send_failures)
    }

    /// Drains the queue: authentic messages, and what the operator must hear of. False when the
    /// time for it was over before the queue was empty: then it is to be called again soon.
    pub fn receive(
        &mut self,
        messages: &mut Vec<ha::Message>,
        rejects: &mut Vec<ha::Reject>,
    ) -> bool {
        let mut begun = None;
        for turn in 0.. {
            if turn % BURSTS_A_LOOK == BURSTS_A_LOOK - 1
                && begun.get_or_insert_with(Instant::now).elapsed() >= READING
            {
                return false;
            }
            if self.rx.burst(&mut self.burst) == 0 {
                return true;
            }
            let expect = Expect {
                udp_port: self.identity.udp_port,
                stack: &self.identity.stack,
                own_instance: self.identity.instance,
                auth: &self.auth,
            };
            for mbuf in self.burst.iter() {
                // A heartbeat fits the first segment; what does not is read as truncated.
                match parse(mbuf.data(), &expect) {
                    Ok(parsed) => {
                        let known = self.peer_macs.contains_key(&parsed.src_ip);
                        if known || self.peer_macs.len() < PEER_MACS {
                            self.peer_macs.insert(parsed.src_ip, parsed.src_mac);
                        }
                        self.signers.note(parsed.instance, parsed.key, &self.auth);
                        self.last.note_received(&parsed, mbuf.data());
                        messages.push(convert::message_in(&parsed));
                    }
                    Err(cause) => {
                        if let Some(reject) = reject_of(&cause, self.identity.boot)
                            && !rejects.contains(&reject)
                        {
                            rejects.push(reject);
                        }
                        self.drops.count(&cause);
                    }
                }
            }
            self.burst.clear();
        }
        true
    }

    /// Sends a heartbeat to every peer.
    pub fn send_heartbeat(&mut self, seq: u64, heartbeat: &ha::Heartbeat) {
        let frame = convert::heartbeat_out(heartbeat);
        self.send(seq, true, |buffer, header, addressing, auth| {
            frame.emit(buffer, header, addressing, auth)
        });
    }

    /// Sends a share of the address table to every peer.
    pub fn send_macs(&mut self, seq: u64, chunk: &ha::MacChunk) {
        let frame = convert::macs_out(chunk);
        self.send(seq, false, |buffer, header, addressing, auth| {
            frame.emit(buffer, header, addressing, auth)
        });
    }

    /// Sends a share of the table of neighbours to every peer.
    pub fn send_neighbours(&mut self, seq: u64, chunk: &ha::NeighbourChunk) {
        let frame = convert::neighbours_out(chunk);
        self.send(seq, false, |buffer, header, addressing, auth| {
            frame.emit(buffer, header, addressing, auth)
        });
    }

    /// Sends to every peer. `keep`: it is a heartbeat, for [`HaPort::dump`].
    fn send<E: std::fmt::Display>(
        &mut self,
        seq: u64,
        keep: bool,
        emit: impl Fn(&mut [u8], &Header, &Addressing, &Auth) -> Result<usize, E>,
    ) {
        let Identity {
            stack,
            instance,
            boot,
            mac,
            address,
            udp_port,
            ..
        } = self.identity;
        let header = Header {
            stack,
            instance,
            boot,
            seq,
            path: Path::HaPort,
        };
        let mut targets: Vec<Addressing> = Vec::with_capacity(1);
        match &self.identity.destination {
            Destination::Multicast(group) => {
                targets.push(Addressing::multicast(mac, address, *group, udp_port));
            }
            Destination::Peers(peers) => targets.extend(peers.iter().map(|&peer| {
                let known = self.peer_macs.get(&peer).copied();
                Addressing::unicast(mac, address, peer, known, udp_port)
            })),
        }
        let mut buffer = [0; MAX_FRAME_LEN];
        for addressing in &targets {
            let length = match emit(&mut buffer, &header, addressing, &self.auth) {
                Ok(length) => length,
                Err(error) => {
                    log::error!("a heartbeat could not be built: {error}");
                    self.send_failures += 1;
                    continue;
                }
            };
            let frame = buffer.get(..length).unwrap_or_default();
            if self.put(frame) {
                self.sent += 1;
                if keep {
                    self.last.note_sent(frame);
                }
            } else {
                self.send_failures += 1;
            }
        }
    }

    fn put(&mut self, frame: &[u8]) -> bool {
        let Some(mut mbuf) = self.pool.alloc() else {
            return false;
        };
        if mbuf.append(frame).is_err() {
            return false;
        }
        let mut burst = Burst::<1>::new();
        burst.push(mbuf).is_ok() && self.tx.burst(&mut burst) == 1
    }

    /// Gives the queues back, so that the port can be stopped.
    #[must_use]
    pub fn into_queues(self) -> (RxQueue, TxQueue) {
        (self.rx, self.tx)
    }
}

/// What of a dropped frame an operator must hear of.
pub(crate) fn reject_of(cause: &DropCause, own_boot: u64) -> Option<ha::Reject> {
    match cause {
        DropCause::OtherStack(name) => Some(ha::Reject::OtherStack(name.to_string())),
        DropCause::BadKey => Some(ha::Reject::BadKey),
        // With our own boot id it is our own frame, come back by a loop or a mirror.
        DropCause::OwnInstance { boot, .. } if *boot != own_boot => Some(ha::Reject::Twin),
        _ => None,
    }
}
