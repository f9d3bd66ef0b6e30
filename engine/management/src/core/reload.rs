//! Rule 24: a reload, or its refusal; and what a change does to the running engine.

use std::sync::Arc;

use twinline_config::{Config, VirtualRouter};
use twinline_ha::Reason;
use twinline_wire::heartbeat::Auth;

use super::ManagementCore;
use crate::commits::worker::Prepared;
use crate::commits::{By, New, for_the_next_start, store, summary};
use crate::convert;

impl ManagementCore {
    /// A peer that is there and would be heard no more with these keys: both would be ACTIVE.
    pub(super) fn deaf_with(&self, auth: &Auth) -> Option<u16> {
        let ha = self.appliance.ha.as_ref()?;
        if !auth.is_keyed() || !ha.authenticated() {
            return None;
        }
        let present = |&id: &u16| self.node.peers().any(|p| p.instance() == id && p.present());
        let on_ha = ha.signers().lost_with(auth);
        let in_band = self.appliance.in_band.iter();
        let in_band = in_band.flat_map(|path| path.signers().lost_with(auth));
        on_ha.chain(in_band).find(present)
    }

    /// The file was read again, and is valid.
    pub(super) fn reload(&mut self, ready: Prepared) {
        let auth = ready.auth.unwrap_or_default();
        if let Some(peer) = self.deaf_with(&auth) {
            let text = format!(
                "reload refused: instance {peer} signs its heartbeats with a key that these keys do \
                 not verify: give it the new key first, or keep the old one as ha.next_key_file"
            );
            self.reload_refused(text);
            return;
        }
        for warning in &ready.warnings {
            log::warn!("{warning}");
        }
        let changes = ready.against_running;
        for change in &changes {
            log::info!("reload: {change}");
        }
        self.put_in_force(ready.merged, ready.digest, auth);
        let restart = for_the_next_start(&changes);
        let text = if changes.is_empty() {
            "reloaded: nothing changed (key files were read again)".to_owned()
        } else if restart.is_empty() {
            format!("reloaded: {} settings applied", changes.len())
        } else {
            format!(
                "reloaded: {} settings applied; a restart is needed for {}",
                changes.len() - restart.len(),
                restart.join(", ")
            )
        };
        self.node.record_note(text, Reason::Reloaded);
        self.changes.history.file_hash = store::hash(&ready.text);
        self.changes.file = Arc::clone(&ready.config);
        if ready.changes.is_empty() {
            self.changes.history.confirm();
        } else {
            let new = New {
                by: By::Reload,
                user: String::new(),
                summary: summary(&ready.changes),
                text: ready.text,
            };
            self.changes.history.push(new, super::unix_ms());
        }
        self.no_longer_waiting();
        self.changes.committed = ready.config;
        self.changes.keep(None);
    }

    pub(super) fn reload_refused(&mut self, text: String) {
        log::error!("{text}");
        self.node.record_note(text, Reason::ReloadRefused);
    }

    /// What can run now of a configuration, and its keys.
    pub(super) fn put_in_force(&mut self, merged: Config, digest: u64, auth: Auth) {
        if let Some(ha) = &mut self.appliance.ha
            && ha.authenticated() == auth.is_keyed()
        {
            ha.set_auth(auth);
        }
        if merged != self.config {
            self.node.apply(convert::settings(&merged), digest);
            self.l3_do(|l3, now, around| l3.reload(now, &merged, around));
            let mut merged = merged;
            if self.config.events != merged.events && !self.outlets.configure(&merged.events) {
                merged.events = self.config.events.clone();
                let text = "[events]: the outlets are too busy to be changed: try again".to_owned();
                self.node.record_note(text, Reason::ReloadRefused);
            }
            self.config = merged;
        }
        self.changes.generation += 1;
    }
}

/// The running configuration with what of the new one applies live.
pub(crate) fn live_part(running: &Config, new: &Config) -> Config {
    let mut merged = running.clone();
    let (to, from) = (&mut merged.ha, &new.ha);
    to.peer_check_interval_ms = from.peer_check_interval_ms;
    to.peer_failure_threshold = from.peer_failure_threshold;
    to.peer_recovery_threshold = from.peer_recovery_threshold;
    to.max_flaps = from.max_flaps;
    to.flap_window_s = from.flap_window_s;
    to.on_max_flaps = from.on_max_flaps;
    to.preempt = from.preempt;
    to.preempt_delay_s = from.preempt_delay_s;
    to.links = from.links.clone();
    to.bandwidth = from.bandwidth.clone();
    if to.insecure == from.insecure {
        to.key_file.clone_from(&from.key_file);
        to.next_key_file.clone_from(&from.next_key_file);
    }
    merged.events = new.events.clone();
    for router in &mut merged.virtual_routers {
        let Some(new) = new.virtual_routers.iter().find(|r| r.name == router.name) else {
            continue;
        };
        if ![router.priority, new.priority].contains(&VirtualRouter::OWNER) {
            router.priority = new.priority;
        }
        router.preempt = new.preempt;
        router.preempt_delay_s = new.preempt_delay_s;
        router.accept = new.accept;
        router.checksum = new.checksum;
        router.announce_count = new.announce_count;
        router.announce_every_ms = new.announce_every_ms;
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinline_config::Applies;

    fn config(text: &str) -> Config {
        Config::parse(text, "f").unwrap().config
    }

    /// What is merged is what the diff calls live, and nothing else.
    fn merged_is_what_is_live(old: &str, new: &str) -> Config {
        let (old, new) = (config(old), config(new));
        let merged = live_part(&old, &new);
        let live = |c: &twinline_config::Change| c.applies == Applies::Live;
        let wanted: Vec<_> = Config::diff(&old, &new).into_iter().filter(live).collect();
        assert_eq!(Config::diff(&old, &merged), wanted);
        merged
    }

    #[test]
    fn rule_24_a_virtual_routers_priority_applies_live_unless_it_is_the_owners() {
        let base = include_str!("../../../../config/examples/l3.toml")
            .replace("\"active-passive\"", "\"active-active\"");
        let with = |text: &str| base.replace("# priority = 150", text);
        let merged = merged_is_what_is_live(&base, &with("priority = 7\n#"));
        assert_eq!(merged.virtual_routers[0].priority, 7);
        let owner = with("priority = 255\n#").replace("[\"192.0.2.1\"]", "[\"192.0.2.2\"]");
        let merged = merged_is_what_is_live(&base, &owner);
        assert_eq!(merged.virtual_routers[0].priority, 150);
        let merged = merged_is_what_is_live(&owner, &base);
        assert_eq!(merged.virtual_routers[0].priority, 255);
        let other = with("priority = 9\n#")
            .replace("preempt = true ", "preempt = false ")
            .replace("preempt_delay_s = 0", "preempt_delay_s = 5")
            .replace("accept = true", "accept = false")
            .replace("announce_count = 5", "announce_count = 1")
            .replace("announce_every_ms = 1000", "announce_every_ms = 7");
        let router = merged_is_what_is_live(&base, &other)
            .virtual_routers
            .remove(0);
        assert_eq!(
            (router.priority, router.preempt, router.accept),
            (9, false, false)
        );
        assert_eq!((router.announce_count, router.announce_every_ms), (1, 7));
        // another router under a new name
        merged_is_what_is_live(&base, &base.replace("\"uplink\"", "\"out\""));
    }
}
