//! What instances tell each other over the HA port (rules 4 and 5).
//!
//! A frame is Ethernet, IPv4 (TTL 255), UDP (one port at both ends) and a payload:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | magic `TWNL` |
//! | 1 | version, 2 |
//! | 1 | kind: 1 [`Heartbeat`], 2 [`MacChunk`], 3 [`NeighbourChunk`] |
//! | 2 | length of the payload in bytes, tag included |
//! | 32 | stack name, padded with 0 |
//! | 2 | instance |
//! | 1 | path: 0 the HA port, 1 in-band (rule 12) |
//! | 1 | reserved: sent 0, ignored |
//! | 8 | boot id |
//! | 8 | sequence number |
//! | .. | body, by kind |
//! | 16 | tag: see [`Auth`] |
//!
//! All numbers are big-endian. Sequence numbers count over all messages of a sender, so that a
//! replayed MAC table is found by the same comparison as a replayed heartbeat. This module checks
//! what one frame alone can show; replays, which need memory, are the HA core's to judge by boot
//! id and sequence.
//!
//! In-band the payload follows the Ethernet header at once ([`crate::in_band`]). The path is under
//! the tag, so that a capture of one path is worth nothing on the other.
//!
//! TTL 255 is sent and demanded: a router takes one off, so a heartbeat never comes from beyond
//! the link (the generalised TTL security mechanism, RFC 5082).

mod auth;
mod body;
mod drops;
mod frame;
mod mac_chunk;
mod neighbour_chunk;
mod stack;

pub use auth::{Auth, Key, KeyUsed};
pub use body::{Echo, Flags, Health, Heartbeat, MAX_ECHOES, Role};
pub use drops::{DropCause, DropCounters};
pub use frame::{
    Addressing, Body, EmitError, Expect, Header, MAX_FRAME_LEN, MAX_PAYLOAD_LEN, Parsed, Path,
    parse, parse_payload,
};
pub use mac_chunk::{MAX_MACS, MacChunk};
pub use neighbour_chunk::{MAX_NEIGHBOURS, NeighbourChunk};
pub use stack::{StackName, StackNameError};

/// UDP port of heartbeats where the configuration names no other.
pub const DEFAULT_UDP_PORT: u16 = 11211;
