//! The heartbeats sent and received last, kept as bytes and read only when an operator asks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use twinline_control::HeartbeatDump;
use twinline_ha as ha;
use twinline_wire::heartbeat::{
    Auth, Body, Expect, Flags, Heartbeat, KeyUsed, Parsed, Path, StackName, parse, parse_payload,
};
use twinline_wire::{Mac, ethernet, in_band, ipv4};

use crate::convert;

/// Peers of which a heartbeat is kept.
const PEERS: usize = 64;
/// No instance has this id: with it as ours, our own heartbeats can be read like others'.
const NOBODY: u16 = 0;
/// Bytes at the end of a frame that authenticate it.
const TAG_LEN: usize = 16;

/// A frame, and when it passed.
#[derive(Debug)]
struct Kept {
    at: Instant,
    frame: Vec<u8>,
    /// Boot id and sequence number, of what was received.
    number: (u64, u64),
}

impl Kept {
    fn new() -> Self {
        Self {
            at: Instant::now(),
            frame: Vec::new(),
            number: (0, 0),
        }
    }

    fn set(&mut self, frame: &[u8], number: (u64, u64)) {
        self.at = Instant::now();
        self.frame.clear();
        self.frame.extend_from_slice(frame);
        self.number = number;
    }
}

/// The last heartbeats of one path.
#[derive(Debug, Default)]
pub struct LastHeartbeats {
    sent: Option<Kept>,
    received: BTreeMap<u16, Kept>,
}

/// What is needed to read heartbeats.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Our own id.
    pub instance: u16,
    /// Our stack.
    pub stack: &'a StackName,
    /// The keys in use.
    pub auth: &'a Auth,
    /// Source and destination port.
    pub udp_port: u16,
    /// The path of these heartbeats.
    pub path: Path,
}

impl LastHeartbeats {
    /// This frame is a heartbeat that was sent.
    pub fn note_sent(&mut self, frame: &[u8]) {
        self.sent.get_or_insert_with(Kept::new).set(frame, (0, 0));
    }

    /// This frame was received, and is authentic. What is no heartbeat, or was replayed, is not kept.
    pub fn note_received(&mut self, parsed: &Parsed, frame: &[u8]) {
        if !matches!(parsed.body, Body::Heartbeat(_)) {
            return;
        }
        if !self.received.contains_key(&parsed.instance) && self.received.len() >= PEERS {
            return;
        }
        let kept = self.received.entry(parsed.instance);
        let kept = kept.or_insert_with(Kept::new);
        let (boot, seq) = kept.number;
        if kept.frame.is_empty() || boot != parsed.boot || parsed.seq > seq {
            kept.set(frame, (parsed.boot, parsed.seq));
        }
    }

    /// Both directions in words.
    #[must_use]
    pub fn dump(&self, how: Reading<'_>) -> Vec<HeartbeatDump> {
        let one = |direction: &str, instance: u16, kept: &Kept| HeartbeatDump {
            direction: direction.into(),
            instance,
            path: match how.path {
                Path::HaPort => ha::Path::HaPort,
                Path::InBand => ha::Path::InBand,
            }
            .to_string(),
            ms_ago: u64::try_from(kept.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            frame: hex(&kept.frame),
            fields: fields(&kept.frame, how),
        };
        let sent = self.sent.iter().map(|k| one("sent", how.instance, k));
        let received = self.received.iter();
        sent.chain(received.map(|(&instance, k)| one("received", instance, k)))
            .collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The fields of a frame in their order: name and value in words.
fn fields(frame: &[u8], how: Reading<'_>) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, value: String| out.push((name.to_owned(), value));
    if let Ok(packet) = ethernet::Packet::new_checked(frame) {
        say("ethernet destination", packet.destination().to_string());
        say("ethernet source", packet.source().to_string());
        say("ethertype", format!("0x{:04x}", packet.ethertype()));
    }
    let expect = Expect {
        udp_port: how.udp_port,
        stack: how.stack,
        own_instance: NOBODY,
        auth: how.auth,
    };
    let parsed = match how.path {
        Path::HaPort => {
            let ip = frame.get(ethernet::HEADER_LEN..).unwrap_or_default();
            if let Ok(packet) = ipv4::Packet::new_checked(ip) {
                say("IPv4 source", packet.source().to_string());
                say("IPv4 destination", packet.destination().to_string());
                say("TTL", packet.ttl().to_string());
                say("UDP port", how.udp_port.to_string());
            }
            parse(frame, &expect)
        }
        Path::InBand => match in_band::payload(frame) {
            Some((source, payload)) => parse_payload(payload, source, &expect),
            None => parse_payload(&[], Mac::default(), &expect),
        },
    };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(cause) => {
            // The keys may have been changed since.
            say("not read with the keys in use now", cause.to_string());
            return out;
        }
    };
    say("version", "2".into());
    say("kind", "heartbeat".into());
    say("stack", how.stack.to_string());
    say("instance", parsed.instance.to_string());
    say("boot id", format!("{:016x}", parsed.boot));
    say("sequence number", parsed.seq.to_string());
    if let Body::Heartbeat(heartbeat) = &parsed.body {
        body(heartbeat, &mut say);
    }
    let tag = frame.len().checked_sub(TAG_LEN);
    let key = match parsed.key {
        KeyUsed::Current => "signed with the current key",
        KeyUsed::Next => "signed with the next key",
        KeyUsed::None => "not signed: ha.insecure",
    };
    let tag = tag.and_then(|at| frame.get(at..)).map(hex);
    say("tag", format!("{} ({key})", tag.unwrap_or_default()));
    out
}

fn body(raw: &Heartbeat, say: &mut impl FnMut(&str, String)) {
    let of = convert::heartbeat_in(raw);
    say("role", of.role.to_string());
    say("flags", flags(raw.flags));
    let successor = match of.successor {
        0 => "nobody".into(),
        id => format!("instance {id}"),
    };
    say("hands over to", successor);
    say("takeover epoch", of.epoch.to_string());
    let unfit = of.unfit.map_or("-".into(), |reason| reason.to_string());
    say("unfit since", unfit);
    let (up, total) = (of.pairs_up, of.pairs_total);
    say("link pairs up", format!("{up} of {total}"));
    say("bandwidth", format!("{} bit/s", of.bandwidth_bps));
    say("flaps", of.flaps.to_string());
    say("interval", format!("{:?}", of.interval));
    let threshold = of.failure_threshold;
    say("failure threshold", format!("{threshold} intervals"));
    say("configuration digest", format!("{:016x}", of.config_digest));
    let sent = format!("{} ns on the sender's clock", raw.tx_time_ns.cast_signed());
    say("sent at", sent);
    for echo in &of.echoes {
        let paths: Vec<String> = ha::Path::ALL
            .into_iter()
            .filter(|&path| echo.paths.has(path))
            .map(|path| path.to_string())
            .collect();
        let paths = match paths.as_slice() {
            [] => "nowhere".into(),
            paths => paths.join(", "),
        };
        say(
            &format!("echo of instance {}", echo.instance),
            format!(
                "{}, heard on {paths}; boot id {:016x}, sequence number {}, held for {:?}",
                echo.health, echo.boot, echo.seq, echo.hold
            ),
        );
    }
}

fn flags(flags: Flags) -> String {
    use Flags as F;
    let words = [
        (F::PRIMARY, "primary"),
        (F::FIT, "fit"),
        (F::HANDING_OVER, "handing over"),
        (F::REQUEST_ACTIVE, "wants to be ACTIVE"),
        (F::GATE_OPEN, "gate open"),
        (F::DEGRADED, "degraded"),
        (F::STOPPING, "stopping"),
        (F::LISTENING, "listening"),
        (F::LINKS_OK, "links ok"),
        (F::OPERATOR, "an operator asks"),
        (F::BANDWIDTH_FAILED, "bandwidth failed"),
    ];
    let set = words.into_iter().filter(|(flag, _)| flags.contains(*flag));
    let set: Vec<&str> = set.map(|(_, word)| word).collect();
    match set.as_slice() {
        [] => "none".into(),
        words => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use twinline_wire::heartbeat::{Addressing, Header, Key, MAX_FRAME_LEN};

    const SECRET: [u8; 32] = [0x5a; 32];

    fn auth(secret: [u8; 32]) -> Auth {
        Auth::keyed(Key::derive(&secret), None)
    }

    fn heartbeat(bandwidth_bps: u64) -> Heartbeat {
        convert::heartbeat_out(&ha::Heartbeat {
            role: ha::Role::Passive,
            flags: ha::Flags::FIT | ha::Flags::LISTENING,
            successor: 0,
            epoch: 3,
            unfit: None,
            pairs_up: 1,
            pairs_total: 2,
            bandwidth_bps,
            flaps: 0,
            interval: std::time::Duration::from_millis(50),
            failure_threshold: 5,
            config_digest: 0xabc,
            tx_time: ha::Time::ZERO,
            echoes: Vec::new(),
        })
    }

    fn frame(stack: StackName, instance: u16, seq: u64) -> Vec<u8> {
        let header = Header {
            stack,
            instance,
            boot: 7,
            seq,
            path: Path::HaPort,
        };
        let from = Ipv4Addr::new(192, 0, 2, 1);
        let group = Ipv4Addr::new(239, 1, 2, 3);
        let addressing = Addressing::multicast(Mac([2, 0, 0, 0, 0, 1]), from, group, 11211);
        let mut buffer = vec![0; MAX_FRAME_LEN];
        let heartbeat = heartbeat(1000 + seq);
        let length = heartbeat.emit(&mut buffer, &header, &addressing, &auth(SECRET));
        buffer.truncate(length.unwrap());
        buffer
    }

    fn value(dump: &HeartbeatDump, name: &str) -> String {
        let found = dump.fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    #[test]
    fn our_own_and_the_newest_of_each_peer_are_read_in_words() {
        let stack = StackName::new("rack").unwrap();
        let keys = auth(SECRET);
        let how = Reading {
            instance: 1,
            stack: &stack,
            auth: &keys,
            udp_port: 11211,
            path: Path::HaPort,
        };
        let expect = Expect {
            udp_port: 11211,
            stack: &stack,
            own_instance: 1,
            auth: &keys,
        };
        let mut last = LastHeartbeats::default();
        assert!(last.dump(how).is_empty());
        last.note_sent(&frame(stack, 1, 9));
        // The last one is a replay: authentic, and older than what was heard.
        for seq in [4, 5, 4] {
            let frame = frame(stack, 2, seq);
            last.note_received(&parse(&frame, &expect).unwrap(), &frame);
        }
        let dumps = last.dump(how);
        assert_eq!(dumps.len(), 2);
        let [sent, received] = &dumps[..] else {
            panic!("two")
        };
        assert_eq!((sent.direction.as_str(), sent.instance), ("sent", 1));
        assert_eq!(value(sent, "sequence number"), "9");
        assert_eq!(value(received, "sequence number"), "5");
        assert_eq!(value(received, "bandwidth"), "1005 bit/s");
        assert_eq!(value(received, "role"), "PASSIVE");
        assert_eq!(value(received, "flags"), "fit, listening");
        assert_eq!(value(received, "link pairs up"), "1 of 2");
        assert_eq!(value(received, "interval"), "50ms");
        assert_eq!(value(received, "TTL"), "255");
        assert_eq!(value(received, "IPv4 destination"), "239.1.2.3");
        assert!(!format!("{dumps:?}").contains(&hex(&SECRET)));

        // After another key came in, what was sent with the old one is still shown, as bytes.
        let other = auth([1; 32]);
        let dumps = last.dump(Reading {
            auth: &other,
            ..how
        });
        assert_eq!(dumps[0].frame, hex(&frame(stack, 1, 9)));
        assert!(!value(&dumps[0], "not read with the keys in use now").is_empty());
    }
}
