//! Scene `load`: the traffic falls below the minimum bandwidth (rule 21).

use super::{CHANGE, Played, role_changes, scripts::expect, unix_ms};
use crate::error::{LabError, Result};
use crate::judge::MACHINE_SLACK_MS;
use crate::lab::Lab;
use crate::status;
use crate::topology::Side;
use crate::traffic::{Load, Traffic};
use std::fs;
use std::time::{Duration, SystemTime};
use twinline_control::Event;

/// `ha.bandwidth.interval_s` of this scene.
pub(super) const INTERVAL_S: u32 = 2;
const INTERVAL: Duration = Duration::from_secs(INTERVAL_S as u64);
/// The engine looks at its counters ten times an interval.
const SAMPLE: Duration = Duration::from_millis(INTERVAL_S as u64 * 100);
/// Above the interval and a sample: until the transfer has ended, and for the machine.
const SLACK: Duration = Duration::from_millis(100 + MACHINE_SLACK_MS as u64);
/// For how many intervals the role must stay where it went.
const NO_BOUNCE: u32 = 3;

/// Monitoring is on for this scene alone, by a live reload of both engines.
pub(super) fn play(lab: &mut Lab, traffic: &mut Traffic, load: Load) -> Result<Played> {
    let minimum_bps = minimum_bps(load);
    let texts = Side::BOTH.map(|side| read(lab, side));
    let [a, b] = texts;
    let texts = [a?, b?];
    let mut switched = Ok(());
    for (side, text) in Side::BOTH.into_iter().zip(&texts) {
        let on = with_monitoring(text, minimum_bps);
        switched = switched.and_then(|()| lab.engine(side).reload(&on));
    }
    let played = switched.and_then(|()| fall_short(lab, traffic, minimum_bps));
    // monitoring is off again whatever was seen
    for (side, text) in Side::BOTH.into_iter().zip(&texts) {
        lab.engine(side).reload(text)?;
    }
    played
}

/// Between what flows with the transfer and what flows without it: the probes go on, and see
/// whether the hand-over loses one.
fn minimum_bps(load: Load) -> u64 {
    load.quiet_bps() + u64::from(load.tcp_mbits) * 1_000_000 / 2
}

/// Monitoring on, and a flap window that is longer than the scene: for that long a primary whose
/// traffic failed does not take its role back.
fn with_monitoring(text: &str, minimum_bps: u64) -> String {
    let text = text.replace("flap_window_s = 1\n", "flap_window_s = 60\n");
    format!(
        "{text}\n[ha.bandwidth]\nenabled = true\nminimum_bps = {minimum_bps}\n\
         interval_s = {INTERVAL_S}\n"
    )
}

fn read(lab: &Lab, side: Side) -> Result<String> {
    let path = &lab.engine(side).config;
    fs::read_to_string(path).map_err(LabError::io(path.display().to_string()))
}

fn fall_short(lab: &mut Lab, traffic: &mut Traffic, minimum_bps: u64) -> Result<Played> {
    let begin = SystemTime::now();
    // a whole interval at or above the minimum, and a sample at each end of it: armed
    std::thread::sleep(INTERVAL + SAMPLE * 2);
    let armed_bps = status::bandwidth_bps(&lab.engine(Side::A).socket)?;
    let early = role_changes(lab, Side::A, begin)?.len();
    let end = unix_ms(SystemTime::now());
    traffic.end_transfer()?;
    let moved = lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"));
    if moved.is_ok() {
        std::thread::sleep(INTERVAL * NO_BOUNCE);
    }
    let mut played = expect(
        lab.both(),
        &[
            (Side::A, "PASSIVE", "bandwidth_below_minimum"),
            (Side::B, "ACTIVE", "hands_over"),
        ],
    );
    let mut fault = |text: String| played.faults.push(text);
    if armed_bps < minimum_bps {
        fault(format!(
            "{armed_bps} bit/s flowed with the transfer, less than the minimum of {minimum_bps}: \
             nothing was armed"
        ));
    }
    if early > 0 {
        fault("the role moved before the traffic ended".into());
    }
    for (side, to) in [(Side::A, "PASSIVE"), (Side::B, "ACTIVE")] {
        let changes = role_changes(lab, side, begin)?;
        let once = matches!(changes.as_slice(), [only] if only.to == to);
        if !once {
            fault(format!(
                "{side} changed its role {} times, expected once, to {to}",
                changes.len()
            ));
        }
    }
    let allowed = (INTERVAL + SAMPLE + SLACK).as_millis();
    let took = handed_over_at(lab, end)?.map(|at| at - end);
    match took {
        Some(ms) if u128::from(ms) <= allowed => {}
        Some(ms) => fault(format!("handed over after {ms} ms, allowed {allowed} ms")),
        None => fault("A has no event of a hand-over for want of bandwidth".into()),
    }
    let left_bps = status::bandwidth_bps(&lab.engine(Side::B).socket)?;
    played.notes.push(format!(
        "minimum {minimum_bps} bit/s; {armed_bps} with the transfer, {left_bps} without; handed \
         over {} ms after its end (allowed {allowed}), then nothing for {} s",
        took.map_or("-".into(), |ms| ms.to_string()),
        (INTERVAL * NO_BOUNCE).as_secs()
    ));
    Ok(played)
}

/// When A began to hand over for want of bandwidth, at `since` or later.
fn handed_over_at(lab: &Lab, since: u64) -> Result<Option<u64>> {
    let why = |e: &Event| e.why == "bandwidth_below_minimum" && e.time_unix_ms >= since;
    let events = status::events(&lab.engine(Side::A).socket)?;
    Ok(events.into_iter().find(why).map(|e| e.time_unix_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{self, Deviations, Settings};

    #[test]
    fn rule_21_the_scenes_configuration_is_good() {
        let settings = Settings {
            interval_ms: 50,
            threshold: 5,
            preempt_delay_s: 2,
            in_band: true,
            huge: false,
            cores: (0, 1),
        };
        let directory = tempfile::tempdir().unwrap();
        let key = engine::new_key().unwrap();
        engine::write_key(&directory.path().join("stack.key"), &key).unwrap();
        let none = Deviations::default();
        let text = engine::configuration(Side::A, "tl1x0", directory.path(), &settings, &none);
        let text = with_monitoring(&text, minimum_bps(Load::default()));
        let loaded = twinline_config::Config::parse(&text, "a.toml").unwrap();
        let ha = loaded.config.ha;
        assert!(ha.bandwidth.enabled);
        assert_eq!(ha.bandwidth.interval_s, INTERVAL_S);
        assert_eq!(ha.flap_window_s, 60);
        assert!(
            ha.flap_window_s > INTERVAL_S * (NO_BOUNCE + 2),
            "it would be taken back"
        );
    }

    #[test]
    fn the_minimum_lies_between_quiet_and_loud() {
        for (probes, tcp_mbits) in [(100, 1), (5000, 1), (1000, 20), (5000, 500)] {
            let load = Load {
                probes,
                tcp_mbits,
                ..Load::default()
            };
            assert!(minimum_bps(load) > load.quiet_bps());
            assert!(minimum_bps(load) < load.quiet_bps() + u64::from(tcp_mbits) * 1_000_000);
        }
    }
}
