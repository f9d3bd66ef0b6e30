//! A pair of instances that talk, and how to damage what they say.
#![allow(dead_code)] // each test file uses its part

use std::net::Ipv4Addr;

use twinline_wire::heartbeat::{
    Addressing, Auth, DropCause, Echo, Expect, Flags, Header, Health, Heartbeat, Key,
    MAX_FRAME_LEN, MacChunk, Parsed, Path, Role, StackName, parse,
};
use twinline_wire::{Mac, Side};

pub const PORT: u16 = 11211;
pub const OURS: u16 = 2;
pub const THEIRS: u16 = 1;
pub const PEER_MAC: Mac = Mac([0x02, 0, 0, 0, 0, 0x0a]);
pub const PEER_IP: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 43, 203);

pub fn key(byte: u8) -> Key {
    Key::derive(&[byte; 32])
}

pub fn keyed() -> Auth {
    Auth::keyed(key(1), None)
}

pub fn stack() -> StackName {
    StackName::new("edge").unwrap()
}

pub fn header() -> Header {
    Header {
        stack: stack(),
        instance: THEIRS,
        boot: 0x1122_3344_5566_7788,
        seq: 42,
        path: Path::HaPort,
    }
}

pub fn addressing() -> Addressing {
    Addressing::multicast(PEER_MAC, PEER_IP, GROUP, PORT)
}

pub fn heartbeat() -> Heartbeat {
    Heartbeat {
        role: Role::Active,
        flags: Flags::PRIMARY | Flags::FIT | Flags::GATE_OPEN | Flags::LINKS_OK,
        successor: 0,
        epoch: 7,
        unfit_reason: 0,
        pairs_up: 1,
        pairs_total: 2,
        bandwidth_bps: 1_000_000_000,
        flaps: 3,
        interval_us: 50_000,
        failure_threshold: 5,
        config_digest: 0xdead_beef_0bad_cafe,
        tx_time_ns: 123_456_789,
        echoes: [Echo {
            instance: OURS,
            boot: 9,
            seq: 41,
            tx_time_ns: 123_000_000,
            hold_ns: 5_000,
            health: Health::Healthy,
            paths: 3,
        }]
        .into_iter()
        .collect(),
    }
}

pub fn chunk(macs: usize) -> MacChunk {
    MacChunk {
        pair: 3,
        side: Side::Wan,
        first: true,
        last: false,
        macs: (0..macs).map(|n| Mac([2, 0, 0, 0, 1, n as u8])).collect(),
    }
}

pub fn frame_of(heartbeat: &Heartbeat, header: &Header, auth: &Auth) -> Vec<u8> {
    let mut buffer = [0xaa; MAX_FRAME_LEN];
    let length = heartbeat
        .emit(&mut buffer, header, &addressing(), auth)
        .unwrap();
    buffer[..length].to_vec()
}

pub fn chunk_frame(chunk: &MacChunk, auth: &Auth) -> Vec<u8> {
    let mut buffer = [0xaa; MAX_FRAME_LEN];
    let length = chunk
        .emit(&mut buffer, &header(), &addressing(), auth)
        .unwrap();
    buffer[..length].to_vec()
}

pub fn receive(frame: &[u8], auth: &Auth) -> Result<Parsed, DropCause> {
    parse(
        frame,
        &Expect {
            udp_port: PORT,
            stack: &stack(),
            own_instance: OURS,
            auth,
        },
    )
}

/// Where things stand in a frame.
pub const IP: usize = 14;
pub const UDP: usize = 34;
pub const PAYLOAD: usize = 42;
pub const BODY: usize = PAYLOAD + 60;

fn internet(bytes: impl Iterator<Item = u8>) -> u16 {
    let bytes: Vec<u8> = bytes.collect();
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u32::from(*b));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Makes lengths and checksums of IP and UDP right again after damage further up.
pub fn repair_lower_layers(frame: &mut [u8]) {
    let ip_len = (frame.len() - IP) as u16;
    frame[IP + 2..IP + 4].copy_from_slice(&ip_len.to_be_bytes());
    repair_ip_checksum(frame);
    let udp_len = (frame.len() - UDP) as u16;
    frame[UDP + 4..UDP + 6].copy_from_slice(&udp_len.to_be_bytes());
    frame[UDP + 6..UDP + 8].fill(0);
    let pseudo = frame[IP + 12..IP + 20]
        .iter()
        .copied()
        .chain([0, 17])
        .chain(udp_len.to_be_bytes());
    let sum = internet(pseudo.chain(frame[UDP..].iter().copied()));
    let sum = if sum == 0 { 0xffff } else { sum };
    frame[UDP + 6..UDP + 8].copy_from_slice(&sum.to_be_bytes());
}

pub fn repair_ip_checksum(frame: &mut [u8]) {
    frame[IP + 10..IP + 12].fill(0);
    let sum = internet(frame[IP..IP + 20].iter().copied());
    frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());
}

/// Signs anew without a key after damage to the payload, and repairs all below.
pub fn resign_insecure(frame: &mut [u8]) {
    let tag_at = frame.len() - 16;
    let tag = blake3::hash(&frame[PAYLOAD..tag_at]);
    frame[tag_at..].copy_from_slice(&tag.as_bytes()[..16]);
    repair_lower_layers(frame);
}
