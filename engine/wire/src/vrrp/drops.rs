use crate::drop_causes;

drop_causes! {
    /// Why a received frame is no advert that we take (RFC 9568, section 7.1). A closed list.
    pub enum DropCause counted by DropCounters {
        /// No advert at all: another ethertype or IP protocol.
        NotOurs = "not_ours": "not VRRP",
        /// Cut short: fewer bytes than a header, or than the IP header states.
        Truncated = "truncated": "frame is cut short",
        /// Not the IP version of its ethertype, IP options, a fragment, or a bad IP length.
        BadIp = "bad_ip": "IP header is not acceptable",
        /// The IPv4 header's checksum is wrong.
        BadIpChecksum = "bad_ip_checksum": "IPv4 header checksum is wrong",
        /// TTL or hop limit is not 255: it was routed here.
        BadTtl = "bad_ttl": "TTL or hop limit is not 255",
        /// Neither version 3 nor 2, version 2 on IPv6, or not the one that the router is set to.
        BadVersion = "bad_version": "VRRP version is not the configured one",
        /// No advertisement: type 1 is the only one that there is.
        BadType = "bad_type": "VRRP type is not advertisement",
        /// No virtual router of this id and family on this interface.
        UnknownVrid = "unknown_vrid": "virtual router is not configured on this interface",
        /// Sent to neither the group (where routers speak to all) nor to one station (where they
        /// have configured peers).
        BadDestination = "bad_destination": "destination is not the one that adverts have here",
        /// The router has configured peers, and it is none of them.
        UnknownPeer = "unknown_peer": "sender is none of the configured peers",
        /// The count of addresses is 0.
        NoAddresses = "no_addresses": "count of addresses is 0",
        /// The message is shorter than its count of addresses needs.
        BadLength = "bad_length": "message is shorter than its count of addresses needs",
        /// The checksum is wrong under the router's rule.
        BadChecksum = "bad_checksum": "VRRP checksum is wrong",
        /// Version 2 with an authentication type other than 0.
        BadAuth = "bad_auth": "authentication type is not 0",
        /// The interval is 0.
        ZeroInterval = "zero_interval": "advertisement interval is 0",
        /// The first IPv6 address is not link-local.
        NoLinkLocal = "no_link_local": "first IPv6 address is not link-local",
    }
}
