//! Frames on the wire: Ethernet, IPv4, UDP, heartbeats, announcements.
