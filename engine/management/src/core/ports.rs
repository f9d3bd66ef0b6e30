//! What operators do to ports: links down and up, promiscuous mode, counters, captures.

use std::collections::BTreeMap;

use twinline_config::Device;
use twinline_control::{Call, Payload, Reply, Request as Command};
use twinline_ha::node::Part;
use twinline_ha::{Mode, Reason, Side};

use super::ManagementCore;
use crate::capture::Wish;
use crate::cards::CardHandle;
use crate::l3::virtual_mac::Method;
use crate::link_source::Holder;
use crate::shown_from::ShownFrom;
use crate::status;

/// A port's link that is to be taken down or let up, as soon as its pair's card lets us.
pub(super) struct LinkWish {
    /// The port's index.
    port: usize,
    holder: Holder,
    up: bool,
    /// Who waits for it.
    call: Option<Call>,
}

fn done(call: Call, message: String) {
    call.answer(Reply::Ok(Payload::Done { message }));
}

fn refuse(call: Call, reason: String) {
    call.answer(Reply::Refused { reason });
}

impl ManagementCore {
    /// What an operator asks of a port.
    pub(super) fn port_call(&mut self, call: Call) {
        let asked = call.request().clone();
        let named = match &asked {
            Command::SetLink { port, .. }
            | Command::SetPromiscuous { port, .. }
            | Command::CaptureStart { port, .. } => Some(port),
            Command::ClearPortStats { port } | Command::CaptureStop { port } => port.as_ref(),
            _ => None,
        };
        let port = match named.map(|name| self.port_named(name)).transpose() {
            Ok(port) => port,
            Err(reason) => return refuse(call, reason),
        };
        match (asked, port) {
            (Command::SetLink { up, force, .. }, Some(port)) => {
                self.set_link(port, up, force, call);
            }
            (Command::SetPromiscuous { on, .. }, Some(port)) => {
                match self.set_promiscuous(port, on) {
                    Ok(message) => done(call, message),
                    Err(reason) => refuse(call, reason),
                }
            }
            (Command::CaptureStart { file, .. }, Some(port)) => {
                self.start_capture(port, file, call);
            }
            (Command::CaptureStop { port }, _) => self.captures.stop(port.as_deref(), call),
            (Command::ClearPortStats { .. }, port) => {
                let message = self.clear_stats(port);
                done(call, message);
            }
            _ => refuse(call, "this is no command for a port".into()),
        }
    }

    fn port_named(&self, name: &str) -> Result<usize, String> {
        let mut ports = self.appliance.ports.iter();
        ports.position(|port| port.name == name).ok_or_else(|| {
            let names = self.appliance.ports.iter().map(|port| port.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            format!("no port {name}; there are: {names}")
        })
    }

    fn port_name(&self, port: usize) -> String {
        let port = self.appliance.ports.get(port);
        port.map(|port| port.name.clone()).unwrap_or_default()
    }

    /// The link pair of which the port is an end.
    fn pair_of_port(&self, port: usize) -> Option<usize> {
        let mut pairs = self.appliance.pairs.iter();
        pairs.position(|pair| pair.ports.contains(&port))
    }

    // --- links ---

    /// The decisions want a port down, or up again.
    pub(super) fn propagate(&mut self, pair: u16, side: Side, up: bool) {
        let Some(pair) = self.appliance.pairs.get(usize::from(pair)) else {
            return;
        };
        let port = match side {
            Side::Lan => pair.ports[0],
            Side::Wan => pair.ports[1],
        };
        self.link_waits(LinkWish {
            port,
            holder: Holder::Propagation,
            up,
            call: None,
        });
    }

    /// A later wish of the same holder takes the place of an earlier one.
    fn link_waits(&mut self, wish: LinkWish) {
        let same = |w: &LinkWish| (w.port, w.holder) == (wish.port, wish.holder);
        if let Some(at) = self.links_waiting.iter().position(same)
            && let Some(call) = self.links_waiting.remove(at).call
        {
            refuse(call, "another command for this port came after it".into());
        }
        self.links_waiting.push(wish);
    }

    /// Takes links down and lets them up, as soon as their card lets us: what a driver does to a
    /// port then may move the pins over which the card's frames run. A card that is busy, or hangs,
    /// holds up the ports of its own pair only.
    pub(super) fn set_waiting_links(&mut self) {
        for wish in std::mem::take(&mut self.links_waiting) {
            let pair = self.pair_of_port(wish.port);
            let card = pair.and_then(|pair| self.cards.get(pair));
            let serial = card.and_then(Option::as_ref).map(CardHandle::serial);
            let held = serial
                .as_deref()
                .map_or(Some(None), |s| super::bypass::try_hold(s).map(Some));
            if held.is_some() {
                self.obey_link_wish(wish);
            } else {
                self.links_waiting.push(wish);
            }
        }
    }

    fn obey_link_wish(&mut self, wish: LinkWish) {
        let LinkWish {
            port,
            holder,
            up,
            call,
        } = wish;
        let Some(watched) = self.appliance.ports.get_mut(port) else {
            return;
        };
        let name = watched.name.clone();
        let result = watched.set_up(holder, up);
        let stays_down = up && watched.taken_down();
        let wanted = if up { "let up" } else { "taken down" };
        if let Err(error) = result {
            let text = format!("port {name} could not be {wanted}: {error}");
            log::error!("{text}");
            match call {
                Some(call) => refuse(call, text),
                None => self.node.record_note(text, Reason::PartnerDown),
            }
            return;
        }
        let Some(call) = call else { return };
        let text = format!("port {name} was {wanted} by an operator");
        self.node.record_note(text, Reason::OperatorSetLink);
        let more = if stays_down {
            "; it stays down for the other port of its link pair (rule 17)"
        } else {
            ""
        };
        done(call, format!("port {name} is {wanted}{more}"));
    }

    fn set_link(&mut self, port: usize, up: bool, force: bool, call: Call) {
        if !up
            && !force
            && let Some(cost) = self.cost_of_taking_down(port)
        {
            return refuse(call, format!("{cost}; add --force to take it down anyway"));
        }
        self.link_waits(LinkWish {
            port,
            holder: Holder::Operator,
            up,
            call: Some(call),
        });
    }

    /// What taking a link down would cost, where it costs the role or traffic.
    fn cost_of_taking_down(&self, port: usize) -> Option<String> {
        let name = self.port_name(port);
        let carries = matches!(self.node.part(), Part::Active | Part::HandingOver);
        if self.appliance.ha_index == Some(port) {
            // Rule 12: over the data ports they still hear each other.
            return self.appliance.in_band.is_none().then(|| {
                format!(
                    "no heartbeat would pass any more: the peers would take this instance for \
                     dead, and more than one would be ACTIVE; port {name} is the HA port, and \
                     ha.in_band is off"
                )
            });
        }
        if let Some(l3) = &self.l3
            && l3.method(port).is_some()
        {
            let standby = self.node.settings().mode == Mode::ActivePassive && !carries;
            let on_it = l3.names_on(port).join(", ");
            return (!standby).then(|| {
                format!(
                    "port {name} carries interface {on_it}: what is routed there would stop, and \
                     its virtual routers would go to others; {}",
                    self.who_carries_on()
                )
            });
        }
        let pair = self.pair_of_port(port)?;
        let states = self.node.link_pairs();
        if !carries || !states.get(pair)?.up() {
            return None;
        }
        let pair = &self.appliance.pairs.get(pair)?.name;
        let up = states.iter().filter(|state| state.up()).count();
        let left = u16::try_from(up.saturating_sub(1)).unwrap_or(u16::MAX);
        let left = left.saturating_add(self.node.router_links_up());
        let minimum = self.node.settings().minimum_active_links;
        Some(if minimum > 0 && left < minimum {
            format!(
                "this instance is ACTIVE, and {left} links would be up, fewer than \
                 ha.links.minimum_active = {minimum}: {}",
                self.who_carries_on()
            )
        } else {
            format!("this instance is ACTIVE: the traffic of link pair {pair} would stop")
        })
    }

    /// What follows once this instance is not fit any more.
    fn who_carries_on(&self) -> String {
        if self.node.settings().mode != Mode::ActivePassive {
            return "nobody takes its role over".into();
        }
        match self.node.successor() {
            Ok(successor) => format!("it would hand over to instance {successor}"),
            Err(why) => format!("it would stay ACTIVE and degraded, since {why}"),
        }
    }

    // --- promiscuous mode ---

    fn set_promiscuous(&mut self, port: usize, on: bool) -> Result<String, String> {
        let name = self.port_name(port);
        if !on && let Some(reason) = self.needs_promiscuous(port) {
            return Err(format!("port {name}: {reason}"));
        }
        let handle = self.appliance.ports.get(port).map(|p| p.handle().clone());
        let handle = handle.ok_or_else(|| format!("no port {name}"))?;
        let word = if on { "on" } else { "off" };
        handle.set_promiscuous(on).map_err(|e| e.to_string())?;
        log::info!("port {name}: an operator set promiscuous mode {word}");
        Ok(format!("port {name}: promiscuous mode is {word}"))
    }

    fn needs_promiscuous(&self, port: usize) -> Option<&'static str> {
        if self.pair_of_port(port).is_some() {
            return Some(
                "it is an end of a link pair: a bump in the wire carries what is addressed to \
                 others, and without promiscuous mode the port would not receive it",
            );
        }
        if self.appliance.ha_index == Some(port) {
            return Some(
                "it is the HA port: without promiscuous mode its filter would drop the group \
                 address of the peers' heartbeats",
            );
        }
        let method = self.l3.as_ref().and_then(|l3| l3.method(port));
        (method == Some(Method::Promiscuous)).then_some(
            "it receives what is sent to virtual MAC addresses by promiscuous mode, since its \
             filter takes no more addresses",
        )
    }

    // --- counters ---

    fn clear_stats(&mut self, port: Option<usize>) -> String {
        let ports = match port {
            Some(port) => port..port + 1,
            None => 0..self.appliance.ports.len(),
        };
        for port in ports {
            let Some(watched) = self.appliance.ports.get(port) else {
                continue;
            };
            let xstats = watched.handle().xstats().unwrap_or_default();
            let from = ShownFrom {
                stats: watched.handle().stats().unwrap_or_default(),
                xstats: xstats.into_iter().map(|x| (x.name, x.value)).collect(),
                side: status::side_counted(self, port).unwrap_or_default(),
                l3: status::routed(self, port).unwrap_or_default(),
            };
            self.shown_from.insert(port, from);
        }
        match port {
            Some(port) => format!("port {} counts from nothing again", self.port_name(port)),
            None => "all ports count from nothing again".into(),
        }
    }

    // --- captures ---

    fn start_capture(&mut self, port: usize, file: String, call: Call) {
        let Some(watched) = self.appliance.ports.get(port) else {
            return;
        };
        let device = self.config.port(&watched.name).map(|p| match &p.device {
            Device::Pci(address) => address.to_string(),
            Device::Vdev(vdev) => vdev.as_str().to_owned(),
        });
        let wish = Wish {
            port: watched.name.clone(),
            device: device.unwrap_or_default(),
            handle: watched.handle().clone(),
            file,
            clock: self.appliance.clock,
        };
        self.captures.start(wish, call);
    }
}

/// By port: from where on its counters are shown.
pub(crate) type ShownFromByPort = BTreeMap<usize, ShownFrom>;
