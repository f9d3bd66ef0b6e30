//! What a rule allows, and whether a scene kept to it. Pure: figures in, verdict out.

use crate::probe::broadcast::BroadcastReport;
use crate::probe::tcp::TcpReport;
use crate::probe::udp::UdpReport;
use serde::Serialize;
use std::collections::BTreeMap;

/// What this machine may add to an outage, in ms: a 1 ms sleeper overshoots by 5 to 17 ms under
/// load (design, test beds). It is part of every `allowed_ms` that is not zero, and of no other.
pub const MACHINE_SLACK_MS: f64 = 20.0;

/// The rule that a scene is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Rule 8: an orderly hand-over. Nothing is lost.
    Orderly,
    /// Rules 1, 7 and 11: the peer is found dead at threshold x interval after its last heartbeat,
    /// and is replaced at once.
    Detection {
        /// `ha.peer_check_interval_ms`.
        interval_ms: u32,
        /// `ha.peer_failure_threshold`.
        threshold: u32,
        /// The survivor's own record says that its loop was late by more than half an interval
        /// during the scene: by rule 3 its current check slot then started again.
        survivor_was_late: bool,
    },
    /// Rules 17, 18 and 8: a lost link is seen at the next poll and handed over at once.
    Links {
        /// `ha.links.interval_ms`.
        interval_ms: u32,
    },
    /// Rules 21 and 8: too little traffic for an interval moves the role once, and orderly.
    Bandwidth {
        /// `ha.bandwidth.interval_s`.
        interval_s: u32,
    },
    /// Rule 12: the HA link alone moves no role and costs no frame.
    TwoPaths,
    /// Rules 9 and 12: two are ACTIVE while both paths are cut, and one soon after. What two open
    /// gates do to the traffic is not judged; that it flows again is.
    Split,
    /// Rule 3: a machine that is short of time moves no role. What it does to the traffic is its
    /// own affair, and not judged.
    Steady,
}

impl Rule {
    /// The longest outage that the rule allows on this machine, in ms.
    #[must_use]
    pub fn allowed_ms(self) -> f64 {
        match self {
            Rule::Orderly | Rule::TwoPaths | Rule::Bandwidth { .. } => 0.0,
            Rule::Split | Rule::Steady => f64::INFINITY,
            // "not a slot later" (rule 1), unless rule 3 began the slot again
            Rule::Detection {
                interval_ms,
                threshold,
                survivor_was_late,
            } => {
                let slots = threshold + u32::from(survivor_was_late);
                f64::from(interval_ms) * f64::from(slots) + MACHINE_SLACK_MS
            }
            // a poll, and the announcement's way through both management loops
            Rule::Links { interval_ms } => f64::from(interval_ms) * 2.0 + MACHINE_SLACK_MS,
        }
    }

    /// The rule in words.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Rule::Orderly => "rule 8: no probe lost, none doubled".into(),
            Rule::Detection {
                interval_ms,
                threshold,
                survivor_was_late,
            } => format!(
                "rules 1, 7: {threshold} x {interval_ms} ms{}, + {MACHINE_SLACK_MS} ms for the \
                 machine; none doubled",
                if survivor_was_late {
                    ", + 1 slot by rule 3 (the survivor was late)"
                } else {
                    ""
                }
            ),
            Rule::Links { interval_ms } => format!(
                "rules 17, 18: a poll and an announcement, 2 x {interval_ms} ms, + \
                 {MACHINE_SLACK_MS} ms for the machine; none doubled"
            ),
            Rule::Bandwidth { interval_s } => format!(
                "rules 21, 8: handed over once, within {interval_s} s of the traffic's end, and no \
                 bounce for 3 x {interval_s} s; no probe lost, none doubled"
            ),
            Rule::TwoPaths => "rule 12: no role change, an alarm on both; no probe lost, none \
                               doubled"
                .into(),
            Rule::Split => {
                "rules 9, 12: two ACTIVE while both paths are cut; after the repair the better \
                 claim stays and traffic flows"
                    .into()
            }
            Rule::Steady => {
                "rule 3: no role change on either side; none doubled (outage and losses \
                             are the machine's, and not judged)"
                    .into()
            }
        }
    }

    /// No probe may be lost at all.
    fn lossless(self) -> bool {
        matches!(
            self,
            Rule::Orderly | Rule::TwoPaths | Rule::Bandwidth { .. }
        )
    }

    /// Two open gates are part of the scene, so doubled frames are as well.
    fn splits(self) -> bool {
        self == Rule::Split
    }

    /// Losses and late frames are not judged.
    fn lenient(self) -> bool {
        matches!(self, Rule::Split | Rule::Steady)
    }
}

/// Role and reason of one side before and after a scene.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RoleChange {
    /// Role before.
    pub before: String,
    /// Why it had it.
    pub before_reason: String,
    /// Role after.
    pub after: String,
    /// Why it has it.
    pub after_reason: String,
}

/// The longest outage that a scene allows, and everything that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SceneResult {
    /// Its name.
    pub scene: String,
    /// `ha.peer_check_interval_ms`.
    pub interval_ms: u32,
    /// `ha.peer_failure_threshold`.
    pub threshold: u32,
    /// The longest outage of the numbered probe, in ms.
    pub outage_ms: f64,
    /// What the rule allows, in ms; `null` in JSON (infinite here) where outages are not judged.
    pub allowed_ms: f64,
    /// Probes sent.
    pub probes_sent: u64,
    /// Probes that did not come back.
    pub lost: u64,
    /// Arrivals beyond the first, both directions.
    pub doubled: u64,
    /// Both sides (`a`, `b`) before and after.
    pub roles: BTreeMap<String, RoleChange>,
    /// The scene kept to its rule.
    pub ok: bool,
    /// The rule in words.
    pub rule: String,
    /// Why the scene is not ok.
    pub faults: Vec<String>,
    /// What else is worth a word: the machine's stalls, above all.
    pub notes: Vec<String>,
    /// What both engines recorded meanwhile, in the order of time.
    pub events: Vec<String>,
    /// The probe in full.
    pub udp: UdpReport,
    /// The transfer.
    pub tcp: TcpReport,
    /// The broadcasts.
    pub broadcast: BroadcastReport,
}

/// What a scene measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// The numbered probe.
    pub udp: UdpReport,
    /// The transfer.
    pub tcp: TcpReport,
    /// The broadcasts.
    pub broadcast: BroadcastReport,
    /// Roles before and after.
    pub roles: BTreeMap<String, RoleChange>,
    /// What the scene itself found wrong.
    pub faults: Vec<String>,
    /// What the scene wants to say.
    pub notes: Vec<String>,
    /// Events of both engines.
    pub events: Vec<String>,
}

/// Judges a scene.
#[must_use]
pub fn judge(
    scene: &str,
    rule: Rule,
    interval_ms: u32,
    threshold: u32,
    m: Measured,
) -> SceneResult {
    let allowed_ms = rule.allowed_ms();
    let outage_ms = m.udp.outage_ms();
    let (lost, doubled) = (m.udp.lost(), m.udp.doubled());
    let mut faults = m.faults;
    let mut fault = |bad: bool, text: String| {
        if bad {
            faults.push(text);
        }
    };
    fault(
        outage_ms > allowed_ms,
        format!("outage {outage_ms:.1} ms, allowed {allowed_ms:.0} ms"),
    );
    fault(
        rule.lossless() && lost > 0,
        format!("{lost} probes lost, allowed none"),
    );
    fault(
        doubled > 0 && !rule.splits(),
        format!("{doubled} probes doubled, allowed none"),
    );
    fault(m.udp.forward.sent == 0, "no probe was sent".into());
    // what a rule allows is one outage: probes lost elsewhere would hide behind it
    let per_ms = m.udp.rate / 1e3;
    let explained = (outage_ms * per_ms).ceil() as u64 + 1;
    let late = m.udp.forward.late + m.udp.back.late;
    fault(
        lost > explained.max(1) && !rule.lossless() && !rule.lenient(),
        format!("{lost} probes lost, the longest outage explains {explained}"),
    );
    fault(
        late > 0 && !rule.lenient(),
        format!("{late} probes arrived later than the failure window: stale frames were forwarded"),
    );
    fault(!m.tcp.ok, format!("TCP transfer: {}", m.tcp.fault));
    fault(
        !m.broadcast.ok && m.broadcast.sent > 0 && !rule.splits(),
        format!(
            "loop: {} passes too many, {} came back, {} doubled at the server",
            m.broadcast.repeats, m.broadcast.returned, m.broadcast.doubled
        ),
    );
    fault(m.broadcast.sent == 0, "no broadcast was sent".into());
    SceneResult {
        scene: scene.to_owned(),
        interval_ms,
        threshold,
        outage_ms,
        allowed_ms,
        probes_sent: m.udp.forward.sent,
        lost,
        doubled,
        roles: m.roles,
        ok: faults.is_empty(),
        rule: rule.text(),
        faults,
        notes: m.notes,
        events: m.events,
        udp: m.udp,
        tcp: m.tcp,
        broadcast: m.broadcast,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::udp::Direction;

    const DETECTION: Rule = Rule::Detection {
        interval_ms: 50,
        threshold: 5,
        survivor_was_late: false,
    };

    fn measured(lost: u64, outage_ms: f64) -> Measured {
        let round_trip = Direction {
            sent: 1000,
            lost,
            outage_ms,
            ..Direction::default()
        };
        Measured {
            udp: UdpReport {
                forward: Direction {
                    sent: 1000,
                    ..Direction::default()
                },
                round_trip,
                rate: 1000.0,
                ..UdpReport::default()
            },
            tcp: TcpReport {
                ok: true,
                ..TcpReport::default()
            },
            broadcast: BroadcastReport {
                sent: 10,
                ok: true,
                ..BroadcastReport::default()
            },
            ..Measured::default()
        }
    }

    #[test]
    fn rule_08_an_orderly_scene_may_lose_nothing() {
        assert!(judge("s", Rule::Orderly, 50, 5, measured(0, 0.0)).ok);
        let bad = judge("s", Rule::Orderly, 50, 5, measured(1, 2.0));
        assert!(!bad.ok);
        assert_eq!(bad.faults.len(), 2, "{:?}", bad.faults);
    }

    #[test]
    fn rule_01_bound_is_threshold_x_interval_and_the_machines_slack() {
        assert_eq!(DETECTION.allowed_ms(), 270.0);
        assert!(judge("s", DETECTION, 50, 5, measured(270, 270.0)).ok);
        assert!(!judge("s", DETECTION, 50, 5, measured(271, 271.0)).ok);
    }

    #[test]
    fn rule_03_a_late_survivor_has_one_slot_more() {
        let late = Rule::Detection {
            interval_ms: 50,
            threshold: 5,
            survivor_was_late: true,
        };
        assert_eq!(late.allowed_ms(), 320.0);
        assert!(late.text().contains("rule 3") && !DETECTION.text().contains("rule 3"));
    }

    #[test]
    fn rule_21_loses_nothing_and_a_busy_machine_may() {
        let bandwidth = Rule::Bandwidth { interval_s: 2 };
        assert!(judge("s", bandwidth, 50, 5, measured(0, 0.0)).ok);
        assert_eq!(
            judge("s", bandwidth, 50, 5, measured(1, 2.0)).faults.len(),
            2
        );
        assert!(judge("s", Rule::Steady, 50, 5, measured(900, 900.0)).ok);
    }

    #[test]
    fn losses_beside_the_outage_are_faults() {
        assert!(!judge("s", DETECTION, 50, 5, measured(200, 100.0)).ok);
    }

    #[test]
    fn each_fault_alone_makes_a_scene_fail() {
        let spoil: [fn(&mut Measured); 7] = [
            |m| m.udp.back.doubled = 1,
            |m| m.udp.back.late = 1,
            |m| m.udp.forward.sent = 0,
            |m| m.tcp.ok = false,
            |m| m.broadcast.ok = false,
            |m| m.broadcast.sent = 0,
            |m| m.faults.push("role".into()),
        ];
        for (i, spoil) in spoil.iter().enumerate() {
            let mut m = measured(0, 0.0);
            spoil(&mut m);
            assert!(!judge("s", DETECTION, 50, 5, m.clone()).ok, "{i}");
            // stale frames: on a busy machine the probe itself may be late
            assert_eq!(judge("s", Rule::Steady, 50, 5, m).ok, i == 1, "{i}");
        }
    }
}
