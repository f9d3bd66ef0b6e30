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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert;
    use twinline_config::Config;

    fn settings() -> Settings {
        let text = include_str!("../../../../config/examples/pair-a.toml");
        let mut settings = convert::settings(&Config::parse(text, "f").unwrap().config);
        settings.interval = Duration::from_millis(100);
        settings.failure_threshold = 3;
        settings
    }

    fn now() -> Now {
        Now {
            active: true,
            below_minimum: false,
            links_up: 1,
            bps: 5000,
            flaps: 2,
            lateness: Duration::from_millis(2),
            peers: vec![PeerNow {
                id: 2,
                heard_ago: Duration::from_millis(40),
                interval: Duration::from_millis(100),
                digest: 7,
                active: false,
            }],
            deaf_to: None,
        }
    }

    fn of(now: &Now, change: impl FnOnce(&mut Settings)) -> (String, String) {
        let (old, mut new) = (settings(), settings());
        change(&mut new);
        let risks = risks(now, &old, &new, (7, 7));
        (risks.grave.join("|"), risks.words.join("|"))
    }

    #[test]
    fn what_moves_a_role_is_grave() {
        let nothing = (String::new(), String::new());
        assert_eq!(of(&now(), |_| {}), nothing);
        // the peer's own interval counts where it is larger
        assert_eq!(
            of(&now(), |s| s.interval = Duration::from_millis(10)),
            nothing
        );
        let mut late = now();
        late.peers[0].heard_ago = Duration::from_millis(150);
        let (grave, _) = of(&late, |s| s.failure_threshold = 1);
        assert!(grave.contains("UNHEALTHY at once, after 100 ms"), "{grave}");
        let (grave, _) = of(&now(), |s| s.minimum_active_links = 2);
        assert!(grave.contains("1 links are up, fewer than 2"), "{grave}");
        assert_eq!(of(&now(), |s| s.minimum_active_links = 1), nothing);
        let mut passive = now();
        (passive.active, passive.peers[0].active) = (false, true);
        let back = risks(
            &passive,
            &Settings {
                preempt: false,
                ..settings()
            },
            &Settings {
                preempt: true,
                ..settings()
            },
            (7, 7),
        );
        assert!(
            back.grave[0].contains("takes the role back from instance 2"),
            "{back:?}"
        );
        let mut deaf = now();
        deaf.deaf_to = Some(2);
        let (grave, _) = of(&deaf, |_| {});
        assert!(grave.contains("give it the new key first"), "{grave}");
    }

    #[test]
    fn what_may_cost_a_role_later_is_a_word() {
        let (grave, words) = of(&now(), |s| s.max_flaps = 1);
        assert_eq!(grave, "");
        assert!(words.contains("2 flaps already"), "{words}");
        let (grave, words) = of(&now(), |s| {
            (s.bandwidth_enabled, s.bandwidth_minimum_bps) = (true, 6000);
        });
        assert_eq!(grave, "");
        assert!(
            words.contains("5000 bit/s are measured, less than 6000"),
            "{words}"
        );
        let (_, words) = of(&now(), |s| {
            (s.interval, s.failure_threshold) = (Duration::from_millis(1), 2);
        });
        assert!(words.contains("late by 2 ms"), "{words}");
        let differ = risks(&now(), &settings(), &settings(), (7, 8));
        assert!(differ.words[0].contains("instance 2 needs this change too"));
        let agree = risks(&now(), &settings(), &settings(), (8, 7));
        assert_eq!(agree, Risks::default(), "the peer has it already");
    }
}
