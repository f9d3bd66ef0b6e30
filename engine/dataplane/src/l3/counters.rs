//! Counters of L3 ports: what was forwarded, and every reason why something was not.

use crate::counters::Figure;

/// An enumeration of counters with a table of their names.
macro_rules! causes {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $cause:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$doc])* $cause,)*
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$cause,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Its name in status and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$cause => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

causes! {
    /// Why an L3 port's frame was dropped.
    L3Drop {
        /// Shorter than its headers, or than its IP header says.
        Truncated = "truncated",
        /// A VLAN tag of no interface, or untagged on a port without an untagged interface.
        NoInterface = "no-interface",
        /// To another station's MAC, or to a virtual MAC that is not held.
        NotForUs = "not-for-us",
        /// A group-addressed frame that no protocol here reads.
        Group = "group",
        /// An EtherType that is not carried.
        EtherType = "ether-type",
        /// An IP header that is none: version, header length, total length.
        Header = "header",
        /// IPv4 header checksum.
        Checksum = "checksum",
        /// A source or destination address that must not be on the wire (RFC 1812 section 5.3.7;
        /// RFC 4291 section 2.5).
        Martian = "martian",
        /// A link-local source that would have left its link (RFC 4291 section 2.5.6).
        LinkLocal = "link-local",
        /// To be forwarded, but forwarding is switched off.
        ForwardingOff = "forwarding-off",
        /// To a virtual MAC while the gate was closed.
        Gate = "gate",
        /// To a virtual MAC while the lease did not hold (rule 11).
        Lease = "lease",
        /// The route says discard.
        Discard = "discard",
        /// Its interface's port has no transmit queue on this worker.
        NoPort = "no-port",
        /// No room for a VLAN tag in its buffer.
        NoRoom = "no-room",
        /// For the management core, whose ring was full.
        PuntFull = "punt-full",
        /// The outgoing port's transmit queue was full (counted at that port).
        TxFull = "tx-full",
        /// A frame of the management core's in a virtual router's name, when the lease did not hold
        /// (counted at the outgoing port).
        InjectLease = "inject-lease",
    }
}

causes! {
    /// What an L3 port's frame was handed to the management core for.
    L3Punt {
        /// ARP.
        Arp = "arp",
        /// VRRP adverts.
        Vrrp = "vrrp",
        /// Neighbour discovery.
        Neighbour = "neighbour",
        /// Other packets of the link's scope.
        LinkScope = "link-scope",
        /// To an address of this host.
        Local = "local",
        /// Options, hop-by-hop header.
        Options = "options",
        /// TTL or hop limit used up.
        TimeExceeded = "time-exceeded",
        /// No route.
        NoRoute = "no-route",
        /// Next hop not resolved.
        Unresolved = "unresolved",
        /// Larger than the MTU, not to be fragmented.
        TooBig = "too-big",
        /// Larger than the MTU.
        WouldFragment = "would-fragment",
    }
}

/// Figures of one L3 port on one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct L3Figures {
    pub index: u16,
    pub rx_packets: Figure,
    pub rx_bytes: Figure,
    pub tx_packets: Figure,
    pub tx_bytes: Figure,
    pub forwarded4: Figure,
    pub forwarded6: Figure,
    pub dropped: [Figure; L3Drop::COUNT],
    pub punted: [Figure; L3Punt::COUNT],
}

impl L3Figures {
    pub(crate) fn new(index: u16) -> Self {
        Self {
            index,
            ..Self::default()
        }
    }

    #[inline(always)]
    pub(crate) fn drop_n(&self, cause: L3Drop, n: u64) {
        if let Some(figure) = self.dropped.get(cause as usize) {
            figure.add(n);
        }
    }

    #[inline(always)]
    pub(crate) fn punt(&self, cause: L3Punt) {
        if let Some(figure) = self.punted.get(cause as usize) {
            figure.add(1);
        }
    }

    pub(crate) fn snapshot(&self) -> L3PortSnapshot {
        L3PortSnapshot {
            index: self.index,
            rx_packets: self.rx_packets.get(),
            rx_bytes: self.rx_bytes.get(),
            tx_packets: self.tx_packets.get(),
            tx_bytes: self.tx_bytes.get(),
            forwarded4: self.forwarded4.get(),
            forwarded6: self.forwarded6.get(),
            dropped: self.dropped.each_ref().map(Figure::get),
            punted: self.punted.each_ref().map(Figure::get),
        }
    }
}

/// Counters of one L3 port on one worker since the worker was made. Bytes are those of the frames
/// without FCS. Each frame received is forwarded, dropped or punted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct L3PortSnapshot {
    /// The port's number, as in [`L3Port`](super::L3Port).
    pub index: u16,
    /// Frames received.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames sent: forwarded to here, or injected.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// IPv4 packets received here and given to an outgoing port.
    pub forwarded4: u64,
    /// IPv6 packets received here and given to an outgoing port.
    pub forwarded6: u64,
    /// Dropped, by [`L3Drop`].
    pub dropped: [u64; L3Drop::COUNT],
    /// Handed to the management core, by [`L3Punt`].
    pub punted: [u64; L3Punt::COUNT],
}

impl L3PortSnapshot {
    /// Frames dropped for one cause.
    #[must_use]
    pub fn drops(&self, cause: L3Drop) -> u64 {
        self.dropped.get(cause as usize).copied().unwrap_or(0)
    }

    /// Frames punted for one reason.
    #[must_use]
    pub fn punts(&self, reason: L3Punt) -> u64 {
        self.punted.get(reason as usize).copied().unwrap_or(0)
    }

    /// What was counted since `from`, an earlier snapshot.
    #[must_use]
    pub fn since(&self, from: &Self) -> Self {
        let mut of = *self;
        let figures = [
            (&mut of.rx_packets, from.rx_packets),
            (&mut of.rx_bytes, from.rx_bytes),
            (&mut of.tx_packets, from.tx_packets),
            (&mut of.tx_bytes, from.tx_bytes),
            (&mut of.forwarded4, from.forwarded4),
            (&mut of.forwarded6, from.forwarded6),
        ];
        let dropped = of.dropped.iter_mut().zip(from.dropped);
        let punted = of.punted.iter_mut().zip(from.punted);
        for (figure, before) in figures.into_iter().chain(dropped).chain(punted) {
            *figure = figure.saturating_sub(before);
        }
        of
    }

    /// Adds another worker's figures of the same port.
    pub fn add(&mut self, other: &Self) {
        self.rx_packets += other.rx_packets;
        self.rx_bytes += other.rx_bytes;
        self.tx_packets += other.tx_packets;
        self.tx_bytes += other.tx_bytes;
        self.forwarded4 += other.forwarded4;
        self.forwarded6 += other.forwarded6;
        for (sum, more) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += more;
        }
        for (sum, more) in self.punted.iter_mut().zip(other.punted) {
            *sum += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_name_of_its_own_and_its_own_figure() {
        let figures = L3Figures::new(3);
        for (n, cause) in L3Drop::ALL.iter().enumerate() {
            figures.drop_n(*cause, n as u64 + 1);
        }
        for reason in L3Punt::ALL {
            figures.punt(*reason);
        }
        let mut snapshot = figures.snapshot();
        assert_eq!(snapshot.index, 3);
        for (n, cause) in L3Drop::ALL.iter().enumerate() {
            assert_eq!(snapshot.drops(*cause), n as u64 + 1);
        }
        assert!(
            L3Punt::ALL
                .iter()
                .all(|&reason| snapshot.punts(reason) == 1)
        );
        let names: std::collections::BTreeSet<_> =
            L3Drop::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(names.len(), L3Drop::COUNT);
        let again = snapshot;
        let nothing = L3PortSnapshot {
            index: 3,
            ..L3PortSnapshot::default()
        };
        assert_eq!(snapshot.since(&again), nothing);
        assert_eq!(snapshot.since(&nothing), snapshot);
        snapshot.add(&again);
        assert_eq!(snapshot.drops(L3Drop::Truncated), 2);
        assert_eq!(snapshot.punts(L3Punt::Arp), 2);
    }
}
