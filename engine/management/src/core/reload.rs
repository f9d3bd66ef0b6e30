//! Rule 24: a reload, or its refusal.

use std::path::Path;

use twinline_config::{Applies, Config, Loaded, VirtualRouter};
use twinline_ha::Reason;
use twinline_wire::heartbeat::Auth;

use super::ManagementCore;
use crate::appliance::load_auth;
use crate::convert;

impl ManagementCore {
    /// The configuration and its keys as they are on disk, if a reload may use them.
    fn read_again(&self, path: &Path) -> Result<(Loaded, Auth), String> {
        let loaded = Config::load(path).map_err(|errors| {
            for error in errors.iter() {
                log::error!("reload refused: {error}");
            }
            let first = errors.iter().next().map(ToString::to_string);
            format!(
                "reload of {} refused: {}",
                path.display(),
                first.unwrap_or_default()
            )
        })?;
        let refused = |error: String| {
            log::error!("reload refused: {error}");
            format!("reload refused: {error}")
        };
        let auth = load_auth(&loaded.config).map_err(|error| refused(error.to_string()))?;
        match self.deaf_with(&auth) {
            Some(peer) => Err(refused(format!(
                "instance {peer} signs its heartbeats with a key that these keys do not verify: \
                 give it the new key first, or keep the old one as ha.next_key_file"
            ))),
            None => Ok((loaded, auth)),
        }
    }

    /// A peer that is there and would be heard no more with these keys: both would be ACTIVE.
    fn deaf_with(&self, auth: &Auth) -> Option<u16> {
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

    pub(super) fn reload(&mut self) {
        let path = self.around.config_path.clone();
        let (loaded, auth) = match self.read_again(&path) {
            Ok(read) => read,
            Err(text) => {
                self.node.record_note(text, Reason::ReloadRefused);
                return;
            }
        };
        for warning in &loaded.warnings {
            log::warn!("{warning}");
        }
        let changes = Config::diff(&self.config, &loaded.config);
        for change in &changes {
            log::info!("reload: {change}");
        }
        let merged = live_part(&self.config, &loaded.config);
        if let Some(ha) = &mut self.appliance.ha
            && ha.authenticated() == auth.is_keyed()
        {
            ha.set_auth(auth);
        }
        let digest = convert::digest(&merged);
        self.node.apply(convert::settings(&merged), digest);
        let restart = changes
            .iter()
            .filter(|c| c.applies == Applies::Restart)
            .map(|c| c.key.as_str())
            .collect::<Vec<_>>();
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
        self.l3_do(|l3, now, around| l3.reload(now, &merged, around));
        let mut merged = merged;
        if self.config.events != merged.events && !self.outlets.configure(&merged.events) {
            merged.events = self.config.events.clone();
            let text = "[events]: the outlets are too busy to be changed: reload again".to_owned();
            self.node.record_note(text, Reason::ReloadRefused);
        }
        self.config = merged;
    }
}

/// The running configuration with what of the new one applies live.
fn live_part(running: &Config, new: &Config) -> Config {
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
