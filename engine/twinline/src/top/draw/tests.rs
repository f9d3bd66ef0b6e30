//! Every page as it is drawn, with and without data, and at its limits.
//!
//! The snapshots are in `snapshots/`; `TWINLINE_UPDATE=1 cargo test -p twinline top::` writes them
//! anew, and the difference is for the eyes.

use std::path::Path;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use twinline_control::{
    Alarm, BandwidthStatus, BypassStatus, DirectionStatus, Event, HaStatus, HeardRouter, LegStatus,
    LinkPairStatus, PathStatus, PeerStatus, PortCounters, PortStatus, VirtualRouterStatus,
    VirtualRoutersStatus,
};

use super::*;
use crate::top::as_text;
use crate::top::state::News;
use crate::top::text::Look;

const PLAIN_LOOK: Look = Look {
    ascii: false,
    colour: false,
};

fn view(page: Page) -> View {
    View::new(PLAIN_LOOK, Duration::from_secs(1), page)
}

/// The screen through ratatui's own back end for tests.
fn draw(view: &View, state: &State, now: Duration, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            screen(frame.buffer_mut(), view, state, now);
        })
        .unwrap();
    let text = as_text(terminal.backend().buffer(), false);
    assert!(
        text.lines()
            .all(|line| text::width(line) <= usize::from(width)),
        "{text}"
    );
    text
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn path(name: &str, ms_ago: u64, port: &str) -> PathStatus {
    PathStatus {
        name: name.into(),
        health: "HEALTHY".into(),
        last_heard_ms_ago: Some(ms_ago),
        missed: 0,
        heartbeats_received: 1600,
        hears_us: true,
        ports: vec![port.into()],
    }
}

fn ha() -> HaStatus {
    HaStatus {
        name: "node-a".into(),
        id: 1,
        stack: "edge".into(),
        mode: "active-passive".into(),
        topology: "parallel".into(),
        primary: true,
        role: "ACTIVE".into(),
        role_since_ms: 83_000,
        role_reason: "primary_at_start".into(),
        fit: true,
        epoch: 4,
        flaps: 1,
        flaps_max: 6,
        lease_remaining_ms: Some(212),
        authenticated: true,
        heartbeats_sent: 3200,
        heartbeat_drops: [("bad_key".into(), 3)].into(),
        peers: vec![PeerStatus {
            id: 2,
            health: "HEALTHY".into(),
            health_since_ms: 80_000,
            health_reason: "heartbeats_in_sequence".into(),
            role: "PASSIVE".into(),
            fit: true,
            last_heard_ms_ago: Some(12),
            missed: 1,
            threshold: 5,
            interval_ms: 50.0,
            rtt_us: Some(180),
            heartbeats_received: 3200,
            heartbeats_lost: 1,
            epoch: 3,
            pairs_up: 1,
            pairs_total: 1,
            bandwidth_bps: 1_000_000,
            hears_us: true,
            paths: vec![path("HA", 12, "hb"), path("in-band", 31, "lan0")],
            config_agrees: true,
            ..PeerStatus::default()
        }],
        ..HaStatus::default()
    }
}

fn pair(name: &str) -> LinkPairStatus {
    let leg = |port: &str| LegStatus {
        port: port.into(),
        up: true,
        ..LegStatus::default()
    };
    LinkPairStatus {
        name: name.into(),
        up: true,
        lan: leg("lan0"),
        wan: leg("wan0"),
        gate_wanted: "forward".into(),
        gate_adopted: "forward".into(),
        ..LinkPairStatus::default()
    }
}

fn card(pair: &str) -> BypassStatus {
    BypassStatus {
        pair: pair.into(),
        card: "silicom".into(),
        found: true,
        wanted: Some("inline".into()),
        path: Some("inline".into()),
        source: "sensed".into(),
        ..BypassStatus::default()
    }
}

fn event(seq: u64, what: &str, from: &str, to: &str, why: &str) -> Event {
    Event {
        seq,
        time_unix_ms: 1_795_410_754_000 + seq * 1000,
        what: what.into(),
        from: from.into(),
        to: to.into(),
        why: why.into(),
        detail: String::new(),
    }
}

fn port(name: &str, used_for: &str, bytes: u64) -> PortStatus {
    PortStatus {
        name: name.into(),
        driver: "net_ixgbe".into(),
        used_for: used_for.into(),
        link_up: true,
        speed_mbps: Some(10_000),
        counters: PortCounters {
            rx_bytes: bytes,
            rx_packets: bytes / 1000,
            tx_bytes: bytes / 2,
            tx_packets: bytes / 2000,
            ..PortCounters::default()
        },
        drops: [("gate".into(), 12)].into(),
        ..PortStatus::default()
    }
}

fn router() -> VirtualRouterStatus {
    VirtualRouterStatus {
        name: "lan".into(),
        interface: "lan0".into(),
        vrid: 10,
        family: "IPv4".into(),
        version: 3,
        state: "active".into(),
        state_since_ms: 83_000,
        reason: "ha_active".into(),
        priority: 255,
        interval_ms: 100,
        addresses: vec!["192.0.2.1".into(), "192.0.2.2".into()],
        virtual_mac: "00:00:5e:00:01:0a".into(),
        holds_virtual_mac: true,
        heard: Some(HeardRouter {
            source: "192.0.2.12".into(),
            priority: 100,
            interval_ms: 100,
            ms_ago: 83_100,
        }),
        ..VirtualRouterStatus::default()
    }
}

/// What a round at `second` brings, of a line that gets busier.
fn answers(second: u64) -> Answers {
    let bytes = second * second * 100_000;
    let mut pair = pair("wire0");
    pair.lan_to_wan = DirectionStatus {
        tx_bytes: bytes,
        tx_packets: bytes / 1000,
        drops: [("gate".into(), 12)].into(),
        ..DirectionStatus::default()
    };
    pair.wan_to_lan.tx_bytes = bytes / 2;
    Answers {
        ha: ha(),
        pairs: Some(vec![pair]),
        ports: Some(vec![
            port("lan0", "lan of wire0", bytes),
            port("wan0", "wan of wire0", bytes / 2),
            port("hb", "ha", second * 2000),
        ]),
        bandwidth: Some(BandwidthStatus {
            enabled: true,
            measured_bps: second * 2_000_000,
            minimum_bps: 20_000_000,
            ..BandwidthStatus::default()
        }),
        bypass: Some(vec![card("wire0")]),
        routers: Some(VirtualRoutersStatus {
            routers: vec![router()],
            advert_drops: [("bad_checksum".into(), 2)].into(),
        }),
        events: Some(match second {
            0 => vec![
                event(1, "role", "", "INIT", "start"),
                event(
                    2,
                    "peer 2 health",
                    "UNKNOWN",
                    "HEALTHY",
                    "heartbeats_in_sequence",
                ),
                event(3, "role", "INIT", "ACTIVE", "primary_at_start"),
            ],
            _ => vec![],
        }),
        restarted: second == 0,
    }
}

fn state() -> State {
    let mut state = State::new("/run/twinline/control.sock".into());
    for second in 0..30 {
        state.take(News::Answers(Box::new(answers(second))), secs(second));
    }
    state
}

/// Names of 64 characters, 16 pairs, 15 peers, the largest numbers, and characters that no
/// terminal may get.
fn extremes() -> State {
    let long = |head: &str| format!("{head}{}", "m".repeat(64 - head.len()));
    let hostile = "\x1b[2J\u{202e}漢字\u{9b}31m\r\n\x07";
    let mut ha = ha();
    ha.name = long("node");
    ha.stack = long(hostile);
    ha.role_reason = long("reason");
    ha.role_since_ms = u64::MAX;
    ha.epoch = u64::MAX;
    (ha.flaps, ha.flaps_max) = (u32::MAX, u32::MAX);
    (ha.latched, ha.suspended, ha.degraded, ha.fit) = (true, true, true, false);
    ha.unfit_reason = Some(hostile.into());
    ha.wanted = Some(long("wanted"));
    ha.preempt_in_ms = Some(u64::MAX);
    ha.loop_lateness.max_ms = f64::MAX;
    let peer = PeerStatus {
        stack: Some(long("west")),
        health_since_ms: u64::MAX,
        last_heard_ms_ago: Some(u64::MAX),
        missed: u32::MAX,
        threshold: u32::MAX,
        interval_ms: f64::NAN,
        rtt_us: Some(u64::MAX),
        heartbeats_received: u64::MAX,
        ..ha.peers[0].clone()
    };
    ha.peers = vec![peer; 15];
    ha.alarms = vec![
        Alarm {
            name: hostile.into(),
            text: long("text").repeat(9),
            since_ms: u64::MAX
        };
        12
    ];
    let pairs: Vec<LinkPairStatus> = (0..16)
        .map(|index| LinkPairStatus {
            up: index % 3 > 0,
            gate_wanted: long("gate"),
            lan: LegStatus {
                port: long("lan"),
                taken_down_by_us: true,
                ..LegStatus::default()
            },
            lan_to_wan: DirectionStatus {
                tx_bytes: u64::MAX,
                ..DirectionStatus::default()
            },
            ..pair(&long(&format!("wire{index}")))
        })
        .collect();
    let cards = pairs.iter().map(|pair| BypassStatus {
        path: Some(hostile.into()),
        expired: true,
        error: Some(long("error")),
        ..card(&pair.name)
    });
    let routers = VirtualRouterStatus {
        name: long("router"),
        addresses: vec![long("2001:db8::"); 20],
        state_since_ms: u64::MAX,
        ..router()
    };
    let answers = Answers {
        bypass: Some(cards.collect()),
        pairs: Some(pairs),
        ports: Some(vec![port(&long(hostile), &long("lan of "), u64::MAX); 33]),
        bandwidth: Some(BandwidthStatus {
            enabled: true,
            failed: true,
            measured_bps: u64::MAX,
            minimum_bps: u64::MAX,
            ..BandwidthStatus::default()
        }),
        routers: Some(VirtualRoutersStatus {
            routers: vec![routers; 9],
            ..Default::default()
        }),
        events: Some(vec![
            Event {
                detail: hostile.repeat(50),
                ..event(u64::MAX >> 12, hostile, &long("f"), &long("t"), "w")
            };
            300
        ]),
        ha,
        restarted: true,
    };
    let mut state = State::new(long("/"));
    state.take(News::Answers(Box::new(answers.clone())), secs(1));
    state.take(News::Answers(Box::new(answers)), secs(2));
    state
}

fn snapshot(name: &str, text: &str) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/top/draw/snapshots/{name}.txt"));
    if std::env::var_os("TWINLINE_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{name} is not as in {}:\n{text}\nbut:\n{expected}",
        path.display()
    );
}

#[test]
fn pages_with_data_and_without() {
    let nothing = State::new("/run/twinline/control.sock".into());
    for page in Page::ALL {
        let name = page.title().replace(' ', "");
        for size in [(80, 24), (120, 40)] {
            let at = format!("{name}-{}x{}", size.0, size.1);
            snapshot(&at, &draw(&view(page), &state(), secs(29), size));
            let empty = draw(&view(page), &nothing, secs(0), size);
            assert!(empty.starts_with("[NO DATA] twinline"), "{empty}");
            assert!(empty.contains("nothing is known yet"), "{empty}");
        }
        let text = draw(&view(page), &state(), secs(29), (80, 24));
        let routers = text.contains("virtual routers 1: 1 active");
        assert_eq!(routers, page == Page::Overview, "{text}");
        // An engine that knows of nothing, and one that tells of nothing else than its role.
        let mut bare = State::new("s".into());
        bare.take(News::Answers(Box::default()), secs(0));
        draw(&view(page), &bare, secs(0), (80, 24));
    }
}

#[test]
fn an_engine_that_is_away_is_no_active_one() {
    let mut state = state();
    let why = "no engine listens on /run/twinline/control.sock: is twinline running?";
    state.take(News::Away(why.into()), secs(30));
    state.take(News::Away(why.into()), secs(41));
    let text = draw(&view(Page::Overview), &state, secs(42), (80, 24));
    snapshot("away-80x24", &text);
    assert!(
        text.contains("[ACTIVE?] node-a") && !text.contains("[ACTIVE]"),
        "{text}"
    );
    assert!(text.contains("DATA 13.0 s OLD"), "{text}");
    assert!(
        text.contains("ENGINE AWAY for 12.0 s, trying again: no engine listens"),
        "{text}"
    );
    state.take(News::Answers(Box::new(answers(43))), secs(43));
    let text = draw(&view(Page::Overview), &state, secs(43), (80, 24));
    assert!(
        text.contains("[ACTIVE] node-a") && !text.contains("AWAY"),
        "{text}"
    );
}

#[test]
fn a_poll_that_hangs_is_seen_by_the_age_of_the_data() {
    let text = draw(&view(Page::Overview), &state(), secs(33), (80, 24));
    assert!(text.contains("DATA 4.0 s OLD"), "{text}");
}

#[test]
fn trouble_is_on_the_first_page() {
    let mut state = state();
    let mut answers = answers(30);
    let ha = &mut answers.ha;
    ha.role = "PASSIVE".into();
    ha.wanted = Some("SUSPENDED".into());
    ha.fit = false;
    ha.unfit_reason = Some("links_below_minimum".into());
    ha.flaps = 6;
    ha.latched = true;
    ha.preempt_in_ms = Some(59_400);
    ha.alarms.push(Alarm {
        name: "one_way_path".into(),
        text: "peer 2 does not hear us: check the HA cable".into(),
        since_ms: 4200,
    });
    let peer = &mut ha.peers[0];
    peer.missed = 5;
    peer.health = "UNHEALTHY".into();
    peer.paths[0].hears_us = false;
    peer.paths[1].health = "UNHEALTHY".into();
    let pair = &mut answers.pairs.as_mut().unwrap()[0];
    pair.up = false;
    pair.wan.up = false;
    pair.lan.taken_down_by_us = true;
    pair.gate_wanted = "block".into();
    let card = &mut answers.bypass.as_mut().unwrap()[0];
    card.path = Some("bypass".into());
    card.expired = true;
    let bandwidth = answers.bandwidth.as_mut().unwrap();
    bandwidth.measured_bps = 5;
    bandwidth.failed = true;
    state.take(News::Answers(Box::new(answers)), secs(30));
    let text = draw(&view(Page::Overview), &state, secs(30), (80, 24));
    snapshot("trouble-80x24", &text);
    for part in [
        "[PASSIVE]",
        "; on the way to SUSPENDED",
        "ALARM one_way_path: peer 2 does not hear us: check the HA cable (for 4.2 s)",
        "NOT FIT: links_below_minimum",
        "flaps 6 of 6 [######] LATCHED until `ha clear`",
        "5 of 5",
        "ONE WAY 12 ms",
        "LOST 31 ms",
        "LAN down by us lan0",
        "WAN DOWN wan0",
        "gate forward, wanted block",
        "● told inline, sensed bypass",
        "PATH DIFFERS, WATCHDOG EXPIRED",
        "FAILED",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn ascii_is_ascii() {
    let mut ascii = view(Page::Overview);
    ascii.look.ascii = true;
    let text = draw(&ascii, &state(), secs(29), (80, 24));
    snapshot("ascii-80x24", &text);
    assert!(text.is_ascii(), "{text}");
    let mut with_colours = view(Page::Overview);
    with_colours.look.colour = true;
    let plain = draw(&view(Page::Overview), &state(), secs(29), (80, 24));
    assert_eq!(
        draw(&with_colours, &state(), secs(29), (80, 24)),
        plain,
        "the same words"
    );
}

#[test]
fn pause_and_help() {
    let mut view = view(Page::Overview);
    let mut live = state();
    let key =
        |c| ratatui::crossterm::event::KeyEvent::from(ratatui::crossterm::event::KeyCode::Char(c));
    view.key(key('p'), &live, secs(29));
    let before = draw(&view, &live, secs(29), (80, 24));
    let mut moved = answers(90);
    moved.ha.role = "PASSIVE".into();
    live.take(News::Answers(Box::new(moved)), secs(90));
    let paused = draw(&view, &live, secs(91), (80, 24));
    assert!(
        paused.contains("[ACTIVE]") && paused.contains("PAUSED 1m 02s"),
        "{paused}"
    );
    let below = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        below(&before),
        below(&paused),
        "nothing moves but the pause's time"
    );
    view.key(key('p'), &live, secs(91));
    assert!(draw(&view, &live, secs(91), (80, 24)).contains("[PASSIVE]"));
    view.key(key('?'), &live, secs(91));
    let help = draw(&view, &live, secs(91), (80, 24));
    snapshot("help-80x24", &help);
}

#[test]
fn long_pages_scroll_to_their_end() {
    let state = extremes();
    let mut view = view(Page::Events);
    view.scroll = usize::MAX;
    let text = draw(&view, &state, secs(2), (80, 24));
    assert!(text.contains("lines 281-301 of 301"), "{text}");
    view.scroll = 0;
    let text = draw(&view, &state, secs(2), (80, 24));
    assert!(text.contains("lines 1-21 of 301"), "{text}");
}

/// On the frame that `--once` prints nothing is left out.
#[test]
fn the_natural_height_is_enough() {
    for state in [state(), extremes()] {
        for width in [80, 120] {
            let height = natural_height(Page::Overview, &state, width.into());
            let text = draw(&view(Page::Overview), &state, secs(29), (width, height));
            assert!(!text.contains(" more: page"), "{text}");
            assert!(text.contains("└─"), "tiles\n{text}");
            for page in [Page::Ports, Page::Peers, Page::Layer3, Page::Events] {
                let height = natural_height(page, &state, width.into());
                let text = draw(&view(page), &state, secs(29), (width, height));
                assert!(!text.contains("arrows scroll"), "{text}");
            }
        }
    }
}

/// 16 pairs and 15 peers on a small screen: what is left out is counted.
#[test]
fn extremes_at_80_by_24() {
    snapshot(
        "extremes-80x24",
        &draw(&view(Page::Overview), &extremes(), secs(2), (80, 24)),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_size_and_no_state_makes_it_panic(
        width in 1u16..=200,
        height in 1u16..=60,
        page in 0usize..5,
        scroll in prop_oneof![Just(0usize), 0usize..400, Just(usize::MAX)],
        which in 0u8..4,
        (ascii, colour, help, away) in any::<(bool, bool, bool, bool)>(),
    ) {
        let mut state = match which {
            0 => State::new(String::new()),
            1 => state(),
            _ => extremes(),
        };
        if away {
            state.take(News::Away("\x1b]0;gone\x07".repeat(30)), secs(3));
        }
        let mut view = view(Page::ALL[page]);
        (view.look.ascii, view.look.colour) = (ascii, colour);
        (view.scroll, view.help) = (scroll, help);
        let text = draw(&view, &state, secs(4), (width, height));
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        prop_assert!(!text.contains(char::from_u32(0x202e).unwrap_or('?')));
        prop_assert!(!ascii || text.is_ascii());
    }
}
