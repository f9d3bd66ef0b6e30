//! Rule 5: garbage at the HA queue, as fast as one thread can send it, while heartbeats go on at
//! 10 ms x 5. The role moves at most when the machine itself held somebody for that long.
#![allow(clippy::unwrap_used, reason = "helpers of tests, not excepted")]

use std::time::{Duration, SystemTime};
use twinline_tests::engine::{self, Settings};
use twinline_tests::heartbeats::HaTap;
use twinline_tests::lab::Lab;
use twinline_tests::scenes;
use twinline_tests::stall::StallMeter;
use twinline_tests::status;
use twinline_tests::topology::Side;

const TIME: Duration = Duration::from_secs(10);
const INTERVAL_MS: u32 = 10;
const THRESHOLD: u32 = 5;

/// Garbage of all kinds: noise that is no heartbeat, heartbeats cut short, and real ones with one
/// byte changed (the dearest: their checksums and tags are computed before they are refused).
fn garbage(capture: &[Vec<u8>]) -> Vec<Vec<u8>> {
    // xorshift: the same garbage in each run
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut frames = Vec::new();
    for i in 0..256 {
        let mut frame = capture[i % capture.len()].clone();
        match i % 4 {
            0 => {
                let length = 60 + random() as usize % 1400;
                frame = (0..length).map(|_| random() as u8).collect();
            }
            1 => frame.truncate(42 + random() as usize % (frame.len() - 42)),
            2 => {
                let at = 14 + random() as usize % (frame.len() - 14);
                frame[at] ^= 1 + (random() % 255) as u8;
            }
            _ => {
                // no UDP checksum, and a damaged tag: all the way to the key
                frame[40..42].fill(0);
                let last = frame.len() - 1;
                frame[last] ^= 0xff;
            }
        }
        frames.push(frame);
    }
    frames
}

#[test]
fn rule_05_a_flood_at_the_ha_queue_moves_no_role() {
    let settings = Settings {
        interval_ms: INTERVAL_MS,
        threshold: THRESHOLD,
        preempt_delay_s: 60,
        in_band: false,
        huge: engine::hugepages_suffice(),
        cores: (0, 1),
    };
    let mut lab = Lab::up(&engine::find(None).unwrap(), settings).unwrap();
    scenes::lead(&mut lab, Side::A).unwrap();
    let capture = HaTap::open(&lab.topology, Side::B)
        .unwrap()
        .capture(Duration::from_millis(300))
        .unwrap();
    let frames = garbage(&capture);
    let state = |lab: &Lab| Side::BOTH.map(|side| status::ha(&lab.engine(side).socket).unwrap());
    let before = state(&lab);
    let begin = SystemTime::now();
    let meter = StallMeter::start(&lab.settings.meter_cores());
    // towards B, the PASSIVE one: it is the one who would take the role
    let far_end = HaTap::open(&lab.topology, Side::A).unwrap();
    let sent = std::thread::spawn(move || far_end.flood(&frames, TIME).unwrap())
        .join()
        .unwrap();
    let stall_ms = meter.finish();
    // whoever was judged wrongly has moved by then
    std::thread::sleep(Duration::from_millis(500));
    let after = state(&lab);
    println!(
        "{sent} frames of garbage in {} s: {} a second; the machine held a thread for up to \
         {stall_ms:.1} ms",
        TIME.as_secs(),
        sent / TIME.as_secs()
    );
    let mut held_ms = stall_ms;
    let mut moved = Vec::new();
    for (i, side) in Side::BOTH.into_iter().enumerate() {
        let (was, is) = (&before[i], &after[i]);
        let drops: u64 =
            is.heartbeat_drops.values().sum::<u64>() - was.heartbeat_drops.values().sum::<u64>();
        println!(
            "{side}: {drops} frames read and dropped {:?}; heartbeats taken {}, missing {}; its \
             loop late by more than {} ms {} times, worst {:.1} ms",
            is.heartbeat_drops,
            is.peers[0].heartbeats_received - was.peers[0].heartbeats_received,
            is.peers[0].heartbeats_lost - was.peers[0].heartbeats_lost,
            INTERVAL_MS / 2,
            is.loop_lateness.late_count - was.loop_lateness.late_count,
            is.loop_lateness.max_ms
        );
        if is.loop_lateness.max_ms > was.loop_lateness.max_ms {
            held_ms = held_ms.max(is.loop_lateness.max_ms);
        }
        for event in status::events(&lab.engine(side).socket).unwrap() {
            let since = begin.duration_since(std::time::UNIX_EPOCH).unwrap();
            if u128::from(event.time_unix_ms) >= since.as_millis() {
                println!("{side}: {event:?}");
            }
        }
        for change in scenes::role_changes(&lab, side, begin).unwrap() {
            moved.push(format!(
                "{side}: {} -> {} ({})",
                change.from, change.to, change.why
            ));
        }
        // the flood was one, and it was read: noise that never arrives proves nothing
        if side == Side::B {
            assert!(drops > 100_000, "only {drops} frames were read");
            for cause in ["not_ours", "bad_key", "bad_checksum"] {
                let count = is.heartbeat_drops.get(cause).copied().unwrap_or(0);
                assert!(count > 1000, "{cause}: {count}");
            }
        }
    }
    // a slot less than the window: a silence that long is the machine's, and no queue's
    let excuse_ms = f64::from(INTERVAL_MS * (THRESHOLD - 1));
    assert!(
        moved.is_empty() || held_ms >= excuse_ms,
        "the role moved, and nothing was held for longer than {held_ms:.1} ms: {moved:#?}"
    );
    if !moved.is_empty() {
        println!("excused: held for {held_ms:.1} ms; {moved:#?}");
    }
}
