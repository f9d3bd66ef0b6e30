//! In-band heartbeats (rule 12) leave the wire here: they go to the management core, and never to
//! the other side, whatever the gate and the lease say.

use crate::mac_table::MacBytes;
use crate::{BURST, Side};
use dpdk::{Burst, Mbuf};
use twinline_wire::in_band;

/// A heartbeat that came in over a data port.
pub struct Diverted {
    /// The link pair's index.
    pub pair: u16,
    /// The side whose port received it.
    pub side: Side,
    /// The frame.
    pub mbuf: Mbuf,
}

/// Six bytes of eight.
const MAC_BITS: u64 = 0xffff_ffff_ffff;

/// The destinations of in-band heartbeats at one port, as the first eight bytes of a frame have
/// them: one load and two comparisons for each frame.
#[derive(Clone, Copy)]
pub(crate) struct Targets {
    own: u64,
    group: u64,
}

impl Targets {
    /// At the port of this address.
    pub(crate) fn of(own: MacBytes) -> Self {
        let bits = |mac: MacBytes| {
            let [a, b, c, d, e, f] = mac;
            u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
        };
        Self {
            own: bits(own),
            group: bits(in_band::GROUP.into()),
        }
    }

    #[inline(always)]
    fn hit(self, frame: &[u8]) -> bool {
        let Some(first) = frame.first_chunk::<8>() else {
            return false;
        };
        let destination = u64::from_le_bytes(*first) & MAC_BITS;
        destination == self.own || destination == self.group
    }

    /// Whether any frame may be a heartbeat.
    #[inline(always)]
    pub(crate) fn any(self, burst: &Burst<BURST>) -> bool {
        // Without an early way out: nearly every burst has none.
        burst
            .iter()
            .fold(false, |any, mbuf| any | self.hit(mbuf.data()))
    }
}

/// Moves the heartbeats of a burst to the management core; how many were taken out of the burst,
/// and how many of these were freed because the ring was full. The others keep their order.
#[cold]
#[inline(never)]
pub(crate) fn divert(
    burst: &mut Burst<BURST>,
    targets: Targets,
    ring: &mut rtrb::Producer<Diverted>,
    pair: u16,
    side: Side,
) -> (u64, u64) {
    let mut rest = Burst::<BURST>::new();
    let (mut taken, mut dropped) = (0, 0);
    for mbuf in burst.drain() {
        if targets.hit(mbuf.data()) && in_band::payload(mbuf.data()).is_some() {
            taken += 1;
            dropped += u64::from(ring.push(Diverted { pair, side, mbuf }).is_err());
        } else {
            // As many places as the burst has that they come from.
            let _ = rest.push(mbuf);
        }
    }
    burst.append(&mut rest);
    (taken, dropped)
}
