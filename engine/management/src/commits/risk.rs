//! What a change would do to the roles, told before it is done.

use std::time::Duration;

use twinline_ha::{Mode, Settings};

/// A peer, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerNow {
    /// Its id.
    pub id: u16,
    /// How long ago it was heard.
    pub heard_ago: Duration,
    /// The interval by which it is judged would be the larger of ours and this.
    pub interval: Duration,
    /// Its configuration's digest.
    pub digest: u64,
    /// It is ACTIVE.
    pub active: bool,
}

/// The instance, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// It carries the traffic.
    pub active: bool,
    /// Too few links are up already.
    pub below_minimum: bool,
    /// Links that are up.
    pub links_up: u16,
    /// Measured bandwidth, in bits per second.
    pub bps: u64,
    /// Flaps within the window.
    pub flaps: u32,
    /// The latest that our loop ever was.
    pub lateness: Duration,
    /// The peers that are there.
    pub peers: Vec<PeerNow>,
    /// A peer that would be heard no more with the new keys.
    pub deaf_to: Option<u16>,
}

/// What should be known before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Risks {
    /// A role would move, or a peer be lost: not without `force`.
    pub grave: Vec<String>,
    /// Worth a word.
    pub words: Vec<String>,
}

/// What going from the old settings to the new ones would do now.
#[must_use]
pub fn risks(now: &Now, old: &Settings, new: &Settings, digests: (u64, u64)) -> Risks {
    let mut out = Risks::default();
    if let Some(peer) = now.deaf_to {
        out.grave.push(format!(
            "instance {peer} signs its heartbeats with a key that these keys do not verify: give it \
             the new key first, or keep the old one as ha.next_key_file"
        ));
    }
    windows(now, old, new, &mut out);
    links(now, old, new, &mut out);
    preemption(now, old, new, &mut out);
    flaps(now, old, new, &mut out);
    bandwidth(now, old, new, &mut out);
    if digests.0 != digests.1 {
        for peer in now.peers.iter().filter(|p| p.digest != digests.1) {
            out.words.push(format!(
                "instance {} needs this change too: until it has it, the alarm configuration_differs \
                 stands (no role moves by that)",
                peer.id
            ));
        }
    }
    out
}

fn windows(now: &Now, old: &Settings, new: &Settings, out: &mut Risks) {
    let of = |s: &Settings, peer: &PeerNow| {
        s.interval
            .max(peer.interval)
            .saturating_mul(u32::from(s.failure_threshold))
    };
    let ms = |d: Duration| d.as_millis();
    for peer in &now.peers {
        let (before, after) = (of(old, peer), of(new, peer));
        if after < before && peer.heard_ago >= after {
            out.grave.push(format!(
                "instance {} was heard {} ms ago and would be UNHEALTHY at once, after {} ms \
                 (ha.peer_check_interval_ms, ha.peer_failure_threshold)",
                peer.id,
                ms(peer.heard_ago),
                ms(after)
            ));
        }
    }
    let (before, after) = (old.failure_window(), new.failure_window());
    if new.mode == Mode::ActivePassive && after < before && after <= now.lateness * 2 {
        out.words.push(format!(
            "this engine's loop was late by {} ms once: with a failure window of {} ms that may cost \
             the role (ha.peer_check_interval_ms, ha.peer_failure_threshold)",
            ms(now.lateness),
            ms(after)
        ));
    }
}

fn links(now: &Now, old: &Settings, new: &Settings, out: &mut Risks) {
    let (before, after) = (old.minimum_active_links, new.minimum_active_links);
    if after > before && after > now.links_up && !now.below_minimum {
        let role = if now.active {
            "ACTIVE, it hands over"
        } else {
            "it is not fit to take over"
        };
        out.grave.push(format!(
            "{} links are up, fewer than {after}: this instance would be DOWN; {role} \
             (ha.links.minimum_active)",
            now.links_up
        ));
    }
}

fn preemption(now: &Now, old: &Settings, new: &Settings, out: &mut Risks) {
    let holder = now.peers.iter().find(|peer| peer.active);
    let sooner = new.preempt_delay < old.preempt_delay;
    if let Some(holder) = holder
        && new.primary
        && !now.active
        && new.preempt
        && new.mode == Mode::ActivePassive
        && (!old.preempt || sooner)
    {
        let text = format!(
            "this primary takes the role back from instance {} after {} s (ha.preempt, \
             ha.preempt_delay_s)",
            holder.id,
            new.preempt_delay.as_secs()
        );
        if old.preempt {
            out.words.push(text);
        } else {
            out.grave.push(text);
        }
    }
}

fn flaps(now: &Now, old: &Settings, new: &Settings, out: &mut Risks) {
    let lower = new.max_flaps > 0 && (old.max_flaps == 0 || new.max_flaps < old.max_flaps);
    if lower && new.mode == Mode::ActivePassive && now.flaps >= new.max_flaps {
        out.words.push(format!(
            "there were {} flaps already: with at most {} the next one takes this instance out of \
             the election until `ha clear` (ha.max_flaps)",
            now.flaps, new.max_flaps
        ));
    }
}

fn bandwidth(now: &Now, old: &Settings, new: &Settings, out: &mut Risks) {
    let stricter = !old.bandwidth_enabled || new.bandwidth_minimum_bps > old.bandwidth_minimum_bps;
    if new.bandwidth_enabled && stricter && now.active && now.bps < new.bandwidth_minimum_bps {
        out.words.push(format!(
            "{} bit/s are measured, less than {}: the check begins once there was that much for a \
             whole interval (ha.bandwidth.minimum_bps)",
            now.bps, new.bandwidth_minimum_bps
        ));
    }
}
