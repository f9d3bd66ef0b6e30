//! What a host has done, and why it did not do the rest.

use twinline_wire::{drop_causes, slow_path};

drop_causes! {
    /// Why a frame or packet goes no further. A closed list; what is malformed as ARP or neighbour
    /// discovery is counted by [`slow_path::DropCounters`] instead.
    pub enum DropCause counted by DropCounters {
        /// No such interface.
        NoInterface = "no_interface": "no such interface",
        /// In another VLAN than the interface's.
        WrongVlan = "wrong_vlan": "frame is of another VLAN",
        /// The frame's source is a group or zero.
        BadSourceMac = "bad_source_mac": "source MAC address is no station's",
        /// Our own frame came back.
        Looped = "looped": "our own frame came back",
        /// Sent to another station, or to a virtual MAC address that is not held.
        OtherStation = "other_station": "frame is for another station",
        /// Neither ARP, IPv4 nor IPv6.
        UnknownEthertype = "unknown_ethertype": "neither ARP nor IP",
        /// An IP header against the rules.
        BadIpHeader = "bad_ip_header": "IP header is malformed",
        /// The IPv4 header's checksum is wrong.
        BadIpChecksum = "bad_ip_checksum": "IPv4 header checksum is wrong",
        /// An extension header is cut short, out of place, or one too many.
        BadExtension = "bad_extension": "IPv6 extension headers are malformed",
        /// A source address that nobody can have here.
        Martian = "martian": "source address is impossible",
        /// To an address that is not ours.
        NotLocal = "not_local": "destination address is not ours",
        /// To a virtual address that is not held (RFC 9568, sections 6.4.2 and 8).
        NotHeld = "not_held": "virtual address is not held",
        /// To a virtual address without accept mode (RFC 9568, section 6.1).
        NotAccepted = "not_accepted": "virtual address does not accept packets",
        /// To an own address that is not in use: still probed, or found to be another's.
        Tentative = "tentative": "own address is not in use",
        /// To a group or broadcast address, and there is no exception device.
        Group = "group": "group address, and no exception device",
        /// To one of our addresses, in a frame to a group (RFC 1122, section 3.3.6).
        LinkGroup = "link_group": "one station's packet in a frame to a group",
        /// A fragment, and there is no exception device.
        Fragment = "fragment": "fragment, and no exception device",
        /// ICMP or ICMPv6 cut short.
        BadIcmp = "bad_icmp": "ICMP message is cut short",
        /// The checksum of ICMP or ICMPv6 is wrong.
        BadIcmpChecksum = "bad_icmp_checksum": "ICMP checksum is wrong",
        /// Another ICMP message than an echo request, and there is no exception device.
        IcmpUnwanted = "icmp_unwanted": "ICMP message that nobody waits for",
        /// Another protocol, there is no exception device, and no error is due.
        NoListener = "no_listener": "protocol has no listener",
        /// An error is due, but not about this packet (RFC 1812, section 4.3.2.7; RFC 4443, section
        /// 2.4 e).
        NoErrorAllowed = "no_error_allowed": "no ICMP error may answer this packet",
        /// An error or echo reply is due, but too many were sent.
        RateLimited = "rate_limited": "too many ICMP messages in a second",
        /// There is no address to send from.
        NoSource = "no_source": "no address to send from",
        /// There is no route.
        NoRoute = "no_route": "no route to the destination",
        /// An IPv4 packet too big for the next link that may be fragmented, which is not done.
        NotFragmented = "not_fragmented": "packet is too big, and is not fragmented",
        /// Of our own, and too big for the link.
        TooBig = "too_big": "own packet is too big for the link",
        /// Too many packets wait for MAC addresses.
        QueueFull = "queue_full": "too many packets wait for a MAC address",
        /// The neighbour table is full.
        TableFull = "table_full": "neighbour table is full",
        /// The next hop did not answer.
        Unreachable = "unreachable": "next hop did not answer",
        /// The next hop is no address that a neighbour can have.
        BadNextHop = "bad_next_hop": "next hop is no neighbour's address",
        /// The interface has no link.
        NoLink = "no_link": "interface has no link",
        /// From the kernel: an answer or announcement that is ours to give.
        KernelAnswer = "kernel_answer": "the kernel's ARP or NDP answer: ours is given instead",
        /// From the kernel, and malformed or in the name of an address that is not held.
        KernelRefused = "kernel_refused": "the kernel's frame is malformed, or for an address not held",
    }
}

/// What a host has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Frames that were handed in.
    pub frames: u64,
    /// ARP requests sent: questions, and checks whether a neighbour is still there.
    pub arp_requests: u64,
    /// ARP replies sent.
    pub arp_replies: u64,
    /// Neighbour solicitations sent.
    pub solicitations: u64,
    /// Neighbour advertisements sent in answer.
    pub advertisements: u64,
    /// Announcements sent: gratuitous ARP, unsolicited advertisements.
    pub announcements: u64,
    /// Probes of own addresses sent (RFC 4862, RFC 5227).
    pub address_probes: u64,
    /// ICMP and ICMPv6 echo replies sent.
    pub echo_replies: u64,
    /// Errors sent: time or hop limit exceeded.
    pub time_exceeded: u64,
    /// Errors sent: destination unreachable, for any reason but the next one.
    pub unreachable: u64,
    /// Errors sent: fragmentation needed, packet too big.
    pub too_big: u64,
    /// Errors sent: an IPv6 next header that nobody here knows.
    pub parameter_problem: u64,
    /// Frames given to exception devices.
    pub to_kernel: u64,
    /// Frames taken from exception devices and sent.
    pub from_kernel: u64,
    /// Neighbours whose MAC address was found.
    pub resolved: u64,
    /// Neighbours that were given up.
    pub failed: u64,
    /// Neighbours pushed out by others for want of room.
    pub evicted: u64,
    /// Neighbours taken over from the peer instance.
    pub synchronised: u64,
    /// Another station spoke in the name of one of our addresses.
    pub conflicts: u64,
    /// Why frames and packets went no further.
    pub drops: DropCounters,
    /// Malformed ARP and neighbour discovery.
    pub malformed: slow_path::DropCounters,
}
