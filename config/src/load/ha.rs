//! `[ha]`: its keys, and what they must agree on with the rest of the file.

use super::bypass::{LOOP, NO_TAP};
use super::l3::{ReadInterface, ports_of};
use super::{DEFAULT_GROUP, ReadPair, ReadPort, Reader, absolute, name, small};
use crate::read::{Section, Spot, Val, a_type};
use crate::types::{Bandwidth, Ha, Instance, Links, Mode, OnMaxFlaps, Topology};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use toml::de::DeValue;

/// Where the messages go.
struct Network {
    address: Ipv4Addr,
    peers: Vec<Ipv4Addr>,
    multicast_group: Option<Ipv4Addr>,
}

/// How they are authenticated.
struct Keys {
    key_file: Option<PathBuf>,
    next_key_file: Option<PathBuf>,
    insecure: bool,
}

impl Reader<'_, '_> {
    /// The section, and where its mode is written.
    pub(super) fn ha(
        &mut self,
        root: &Section<'_, '_>,
        instance: &Instance,
        ports: &[ReadPort],
        pairs: &[ReadPair],
        interfaces: &[ReadInterface],
    ) -> (Ha, Option<Spot>) {
        let s = root.sub(self.sink, "ha");
        let mode_word = s.choice(self.sink, "ha.mode");
        let mode = match mode_word.v {
            Some("active-passive") => Mode::ActivePassive,
            Some("active-active") => Mode::ActiveActive,
            _ => Mode::Standalone,
        };
        let primary = s.flag(self.sink, "ha.primary");
        let port = s.text(self.sink, "ha.port", name);
        let udp_port = s.int(self.sink, "ha.udp_port");
        let network = self.network(&s, instance.id, mode);
        let keys = self.keys(&s, mode);
        let (in_band, in_band_vlan) = self.in_band(&s, mode, pairs.is_empty());
        let topology_word = s.choice(self.sink, "ha.topology");
        let topology = match topology_word.v {
            Some("series") => Topology::Series,
            _ => Topology::Parallel,
        };
        let interval = s.int(self.sink, "ha.peer_check_interval_ms");
        let failure = s.int(self.sink, "ha.peer_failure_threshold");
        let recovery = s.int(self.sink, "ha.peer_recovery_threshold");
        let max_flaps = s.int(self.sink, "ha.max_flaps");
        let flap_window = s.int(self.sink, "ha.flap_window_s");
        let on_max_word = s.choice(self.sink, "ha.on_max_flaps");
        let preempt = s.flag(self.sink, "ha.preempt");
        let preempt_delay = s.int(self.sink, "ha.preempt_delay_s");
        let on_max_flaps = on_max_word.v.and_then(|word| match word {
            "bypass" => Some(OnMaxFlaps::Bypass),
            "disconnect" => Some(OnMaxFlaps::Disconnect),
            "tap" => Some(OnMaxFlaps::Tap),
            _ => None,
        });
        self.check_ha_port(&s, mode, &port, ports, pairs, interfaces);
        if mode == Mode::ActivePassive && pairs.is_empty() && interfaces.is_empty() {
            let accepted = "at least one [[link_pair]] or [[interface]] with ha.mode = \
                \"active-passive\""
                .to_owned();
            let line = mode_word.at.as_ref().map(|at| at.line);
            self.sink
                .error("link_pair", line, None, "there is none", Some(accepted));
        }
        self.check_latched_card(on_max_flaps, &on_max_word, pairs);
        if matches!(on_max_flaps, Some(OnMaxFlaps::Bypass | OnMaxFlaps::Tap))
            && topology == Topology::Parallel
            && mode == Mode::ActivePassive
        {
            let message = format!("{LOOP}; absent means disconnect there");
            self.sink
                .warn("ha.on_max_flaps", on_max_word.at.as_ref(), message);
        }
        let links = self.links(&s, pairs.len(), ports_of(interfaces).len());
        let bandwidth = self.bandwidth(&s);
        let ha = Ha {
            mode,
            primary: primary.v,
            port: port.v,
            udp_port: small(udp_port.v),
            address: network.address,
            peers: network.peers,
            multicast_group: network.multicast_group,
            key_file: keys.key_file,
            next_key_file: keys.next_key_file,
            insecure: keys.insecure,
            in_band,
            in_band_vlan,
            topology,
            peer_check_interval_ms: small(interval.v),
            peer_failure_threshold: small(failure.v),
            peer_recovery_threshold: small(recovery.v),
            max_flaps: small(max_flaps.v),
            flap_window_s: small(flap_window.v),
            on_max_flaps,
            preempt: preempt.v,
            preempt_delay_s: small(preempt_delay.v),
            links,
            bandwidth,
        };
        (ha, mode_word.at)
    }

    /// Every card can do what is wanted when latched, as far as that is known without the card.
    fn check_latched_card(
        &mut self,
        wanted: Option<OnMaxFlaps>,
        word: &Val<Option<&'static str>>,
        pairs: &[ReadPair],
    ) {
        let card = |p: &&ReadPair| p.pair.bypass.as_ref().is_some_and(|c| c.card.is_intel());
        if wanted == Some(OnMaxFlaps::Tap)
            && let Some(pair) = pairs.iter().find(card)
        {
            let at = word.at.as_ref();
            let (line, written) = (at.map(|a| a.line), at.map(|a| a.written.clone()));
            let problem = format!(
                "the link pair {} has an Intel card: {NO_TAP}",
                pair.pair.name
            );
            let accepted = Some("\"bypass\", \"disconnect\"".to_owned());
            self.sink
                .error("ha.on_max_flaps", line, written, problem, accepted);
        }
    }

    fn check_ha_port(
        &mut self,
        s: &Section<'_, '_>,
        mode: Mode,
        port: &Val<Option<String>>,
        ports: &[ReadPort],
        pairs: &[ReadPair],
        interfaces: &[ReadInterface],
    ) {
        let at = port.at.as_ref();
        if let Some(wanted) = port.some() {
            self.port_exists("ha.port", port, ports);
            let pair = pairs
                .iter()
                .find(|p| p.pair.lan == *wanted || p.pair.wan == *wanted);
            if let Some(pair) = pair {
                let problem = format!("is in the link pair {}", pair.pair.name);
                self.sink.reject("ha.port", at, problem);
            }
            let interface = interfaces.iter().find(|i| i.interface.port == *wanted);
            if let Some(interface) = interface {
                let problem = format!("has the interface {}", interface.interface.name);
                self.sink.reject("ha.port", at, problem);
            }
            if mode == Mode::Standalone {
                self.sink
                    .warn("ha.port", at, "is not used: ha.mode is \"standalone\"");
            }
        } else if mode != Mode::Standalone && !port.given() {
            let line = s.at.as_ref().map(|at| at.line);
            let accepted =
                "the name of a [[port]] that is in no link pair and has no interface".to_owned();
            let problem = "is missing: only \"standalone\" does without it";
            self.sink
                .error("ha.port", line, None, problem, Some(accepted));
        }
    }

    fn network(&mut self, s: &Section<'_, '_>, id: u16, mode: Mode) -> Network {
        let address = s.text(self.sink, "ha.address", unicast);
        let peers = s.list(self.sink, "ha.peers", |value| match value {
            DeValue::String(text) => unicast(text).map_err(str::to_owned),
            other => Err(format!("must be a string, not {}", a_type(other))),
        });
        let group = s.text(self.sink, "ha.multicast_group", multicast);
        let [high, low] = id.to_be_bytes();
        let own = address.v.unwrap_or(Ipv4Addr::new(169, 254, high, low));
        if mode != Mode::Standalone && !address.given() && id == u16::MAX {
            let line = s.at.as_ref().map(|at| at.line);
            let problem =
                "instance.id 65535 has no default: 169.254.255.255 is a broadcast address";
            let accepted = Some("a unicast IPv4 address".to_owned());
            self.sink.error("ha.address", line, None, problem, accepted);
        }
        for (index, (peer, at)) in peers.v.iter().enumerate() {
            if *peer == own {
                self.sink
                    .contradiction("ha.peers", Some(at), "is this instance's own ha.address");
            }
            if peers.v.iter().take(index).any(|(other, _)| other == peer) {
                self.sink
                    .contradiction("ha.peers", Some(at), "is in the list twice");
            }
            if mode == Mode::ActivePassive && index == 1 {
                let problem = "is a second peer: an active-passive stack has two instances";
                self.sink.contradiction("ha.peers", Some(at), problem);
            }
        }
        let named = !peers.v.is_empty();
        if named && group.given() {
            let problem = "ha.peers names the peers: give either ha.peers or ha.multicast_group";
            self.sink
                .contradiction("ha.multicast_group", group.at.as_ref(), problem);
        }
        Network {
            address: own,
            peers: peers.v.into_iter().map(|(peer, _)| peer).collect(),
            multicast_group: if named {
                None
            } else {
                Some(group.v.unwrap_or(DEFAULT_GROUP))
            },
        }
    }

    fn keys(&mut self, s: &Section<'_, '_>, mode: Mode) -> Keys {
        let key = s.text(self.sink, "ha.key_file", absolute);
        let next = s.text(self.sink, "ha.next_key_file", absolute);
        let insecure = s.flag(self.sink, "ha.insecure");
        if key.given() && insecure.v {
            let problem = "ha.key_file is given too: remove one of them";
            self.sink
                .contradiction("ha.insecure", insecure.at.as_ref(), problem);
        }
        if next.given() && !key.given() {
            let problem = "ha.key_file is missing: it holds the key in use";
            self.sink
                .contradiction("ha.next_key_file", next.at.as_ref(), problem);
        }
        if let (Some(a), Some(b)) = (key.some(), next.some())
            && a == b
        {
            let problem = "is the same file as ha.key_file";
            self.sink
                .contradiction("ha.next_key_file", next.at.as_ref(), problem);
        }
        if mode != Mode::Standalone && !key.given() && insecure.ok && !insecure.v {
            let line = s.at.as_ref().map(|at| at.line);
            let accepted = "the absolute path of a key file, or ha.insecure = true to run without \
                a key"
                .to_owned();
            self.sink
                .error("ha.key_file", line, None, "is missing", Some(accepted));
        }
        if mode != Mode::Standalone && insecure.v && !key.given() {
            let message = "heartbeats are not authenticated: anybody on the HA network can take \
                the role";
            self.sink.warn("ha.insecure", insecure.at.as_ref(), message);
        }
        Keys {
            key_file: key.v,
            next_key_file: next.v,
            insecure: insecure.v,
        }
    }

    fn in_band(&mut self, s: &Section<'_, '_>, mode: Mode, no_pairs: bool) -> (bool, u16) {
        let in_band = s.flag(self.sink, "ha.in_band");
        let vlan = s.int(self.sink, "ha.in_band_vlan");
        let at = in_band.at.as_ref();
        if in_band.v && mode == Mode::Standalone {
            let message = "is not used: ha.mode is \"standalone\"";
            self.sink.warn("ha.in_band", at, message);
        } else if in_band.v && no_pairs {
            let problem = "there is no [[link_pair]] whose ports could carry heartbeats";
            self.sink.contradiction("ha.in_band", at, problem);
        }
        if vlan.v != 0 && !in_band.v && in_band.ok {
            let problem = "ha.in_band is false: set it to true, or remove this key";
            self.sink
                .contradiction("ha.in_band_vlan", vlan.at.as_ref(), problem);
        }
        (in_band.v, small(vlan.v))
    }

    fn links(&mut self, ha: &Section<'_, '_>, pairs: usize, l3_ports: usize) -> Links {
        let s = ha.sub(self.sink, "ha.links");
        let interval = s.int(self.sink, "ha.links.interval_ms");
        let minimum = s.int(self.sink, "ha.links.minimum_active");
        let propagate = s.flag(self.sink, "ha.links.propagate");
        let settle = s.int(self.sink, "ha.links.settle_ms");
        let links = pairs + l3_ports;
        if minimum.ok && small::<usize>(minimum.v) > links {
            let at = minimum.at.as_ref();
            let (line, written) = (at.map(|a| a.line), at.map(|a| a.written.clone()));
            let problem = match l3_ports {
                0 => format!("is more than the link pairs, of which there are {pairs}"),
                _ => format!(
                    "is more than the link pairs and the ports with interfaces, of which there are \
                     {pairs} and {l3_ports}"
                ),
            };
            let accepted = Some(match links {
                0 => "0 (off)".to_owned(),
                _ => format!("0 to {links} (0 = off)"),
            });
            self.sink
                .error("ha.links.minimum_active", line, written, problem, accepted);
        }
        Links {
            interval_ms: small(interval.v),
            minimum_active: small(minimum.v),
            propagate: propagate.v,
            settle_ms: small(settle.v),
        }
    }

    fn bandwidth(&mut self, ha: &Section<'_, '_>) -> Bandwidth {
        let s = ha.sub(self.sink, "ha.bandwidth");
        let enabled = s.flag(self.sink, "ha.bandwidth.enabled");
        let minimum = s.int(self.sink, "ha.bandwidth.minimum_bps");
        let interval = s.int(self.sink, "ha.bandwidth.interval_s");
        Bandwidth {
            enabled: enabled.v,
            minimum_bps: small(minimum.v),
            interval_s: small(interval.v),
        }
    }
}

fn ipv4(text: &str) -> Result<Ipv4Addr, &'static str> {
    text.parse().map_err(|_| "is not an IPv4 address")
}

fn unicast(text: &str) -> Result<Ipv4Addr, &'static str> {
    let address = ipv4(text)?;
    // 0/8, 127/8, and 224/4 upwards (multicast, reserved, broadcast)
    match address.octets() {
        [0, ..] | [127, ..] | [224..=255, ..] | [169, 254, 255, 255] => Err("is not unicast"),
        _ => Ok(address),
    }
}

fn multicast(text: &str) -> Result<Ipv4Addr, &'static str> {
    let address = ipv4(text)?;
    if address.is_multicast() {
        Ok(address)
    } else {
        Err("is not multicast")
    }
}
