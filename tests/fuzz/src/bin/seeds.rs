//! Writes the seed corpus: `cargo run --bin fuzz-seeds -- corpus`, in `tests/fuzz`.
//!
//! Two real nodes live through a few scenes on a virtual clock. Every kind of message that they
//! send becomes a frame, a payload and an unsigned payload; what the first one lived through becomes
//! a script. Files whose bytes did not change keep their name, so that a diff shows what is new.
//! The slow path's are written by hand, in [`twinline_fuzz::slow_path`].

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use twinline_fuzz::frames::{Kind, unsigned_by};
use twinline_fuzz::script::{Knobs, OWN_BOOT, OWN_INSTANCE, Op, Say, Start, request};
use twinline_fuzz::seal::{PAYLOAD_AT, PORT, STACK, Signer, TAG_LEN};
use twinline_fuzz::wire;
use twinline_ha::link_pairs::PairLinks;
use twinline_ha::message::{Body, Message};
use twinline_ha::{
    Action, GateMode, Learned, Node, NodeConfig, Observation, Side, Time, WorkerProgress,
};
use twinline_wire::heartbeat::{Addressing, Auth, Header, Key, MAX_FRAME_LEN, StackName};
use twinline_wire::{Mac, announce};

/// Between two steps.
const TICK: Duration = Duration::from_millis(20);
/// The same, in the units of [`Op::Step`].
const TICK_UNITS: u16 = 200;

/// What happens at which tick of a scene.
#[derive(Clone, Copy)]
enum Happening {
    /// The operator of the first instance.
    Ask(u8),
    /// Carriers of the first instance, as in [`Op::Links`].
    Links(u8),
    /// The second instance falls silent.
    Dies,
    /// And starts again, with another boot id.
    Returns(u64),
}

struct Scene {
    name: &'static str,
    start: Start,
    ticks: usize,
    happenings: &'static [(usize, Happening)],
}

/// Fit with one pair up; interval 100 ms, thresholds 3 and 3.
const KNOBS: Knobs = Knobs {
    bits: 1 | 2 | 8,
    interval: 0,
    failure_threshold: 2,
    recovery_threshold: 2,
    max_flaps: 6,
    minimum_links: 1,
};
const PRIMARY: Start = Start {
    bits: 4,
    saved: 0,
    pairs: 1,
    knobs: KNOBS,
};
const SECONDARY: Start = Start { bits: 0, ..PRIMARY };

const SCENES: [Scene; 6] = [
    Scene {
        name: "switchover",
        start: PRIMARY,
        ticks: 70,
        happenings: &[(45, Happening::Ask(0))],
    },
    Scene {
        name: "peer-dies",
        start: SECONDARY,
        ticks: 70,
        happenings: &[(40, Happening::Dies), (60, Happening::Returns(91))],
    },
    Scene {
        name: "older-boot-returns",
        start: SECONDARY,
        ticks: 80,
        happenings: &[(40, Happening::Dies), (62, Happening::Returns(40))],
    },
    Scene {
        name: "links-fall",
        start: PRIMARY,
        ticks: 75,
        happenings: &[(45, Happening::Links(1)), (60, Happening::Links(0))],
    },
    Scene {
        name: "stop",
        start: PRIMARY,
        ticks: 70,
        happenings: &[(45, Happening::Ask(5))],
    },
    Scene {
        name: "series-flaps",
        start: Start {
            bits: 4 | 8,
            saved: 4 | 32,
            pairs: 2,
            knobs: Knobs {
                max_flaps: 1,
                ..KNOBS
            },
        },
        ticks: 50,
        happenings: &[(40, Happening::Ask(4))],
    },
];

/// An instance as its workers and its switch see it: all in order.
struct Instance {
    id: u16,
    boot: u64,
    node: Node,
    links: Vec<PairLinks>,
    turns: u64,
}

impl Instance {
    fn new(id: u16, boot: u64, start: Start, primary: bool, now: Time) -> Self {
        let mut settings = start.settings(start.knobs);
        settings.primary = primary;
        let config = NodeConfig {
            instance: id,
            boot,
            pairs: start.pairs(),
            config_digest: 7,
            settings,
            saved: start.saved(1_700_000_000_000),
            state_file_problem: None,
        };
        let up = PairLinks {
            lan: true,
            wan: true,
        };
        Self {
            id,
            boot,
            node: Node::new(config, now, 1_700_000_000_000),
            links: vec![up; usize::from(start.pairs())],
            turns: 0,
        }
    }

    /// Steps; returns what it says to the other.
    fn step(&mut self, now: Time, messages: &[Message], asked: Option<u8>) -> Vec<Message> {
        self.turns += 3;
        let requests: Vec<_> = asked.map(|what| (1, request(what))).into_iter().collect();
        let station = |side, last| Learned {
            pair: 0,
            side,
            mac: [2, 0, 0, 0, 0, last],
        };
        let learned = [station(Side::Lan, 0x21), station(Side::Wan, 0x22)];
        let open = self.node.gates() == GateMode::Forward;
        let actions = self.node.step(&Observation {
            messages,
            requests: &requests,
            links: Some(&self.links),
            workers: &[WorkerProgress {
                iterations: self.turns,
                idle_iterations: self.turns,
            }],
            learned: if open { &learned } else { &[] },
            ..Observation::quiet(now, 1_700_000_000_000)
        });
        let (instance, boot) = (self.id, self.boot);
        actions
            .into_iter()
            .filter_map(|action| match action {
                Action::Send { seq, heartbeat, .. } => Some((seq, Body::Heartbeat(heartbeat))),
                Action::SendMacs { seq, chunk, .. } => Some((seq, Body::Macs(chunk))),
                _ => None,
            })
            .map(|(seq, body)| Message {
                instance,
                boot,
                seq,
                path: twinline_ha::Path::HaPort,
                body,
            })
            .collect()
    }
}

/// Plays a scene: the first instance's script, and all that both said.
fn play(scene: &Scene) -> (Vec<u8>, Vec<Message>) {
    let mut script = Vec::new();
    scene.start.write(&mut script);
    let mut said = Vec::new();
    let mut now = Time::ZERO + Duration::from_secs(10);
    let primary = scene.start.bits & 4 != 0;
    let mut ours = Instance::new(OWN_INSTANCE, OWN_BOOT, scene.start, primary, now);
    let mut other = Some(Instance::new(2, 90, scene.start, !primary, now));
    let (mut to_us, mut to_other) = (Vec::new(), Vec::new());
    for tick in 0..scene.ticks {
        let mut asked = None;
        for &(_, happening) in scene.happenings.iter().filter(|&&(at, _)| at == tick) {
            match happening {
                Happening::Ask(what) => {
                    Op::Ask(what).write(&mut script);
                    asked = Some(what);
                }
                Happening::Links(bits) => {
                    Op::Links(bits).write(&mut script);
                    ours.links[0].lan = bits & 1 == 0;
                }
                Happening::Dies => other = None,
                Happening::Returns(boot) => {
                    other = Some(Instance::new(2, boot, scene.start, !primary, now));
                }
            }
        }
        for message in &to_us {
            match message {
                Message {
                    body: Body::Heartbeat(_),
                    ..
                } => Op::Hear(message.clone()).write(&mut script),
                // Addresses have an operation of their own.
                _ => Op::Learn {
                    pair: 0,
                    first: 0x20,
                    many: 1,
                }
                .write(&mut script),
            }
        }
        Op::Step(TICK_UNITS).write(&mut script);
        now = now + TICK;
        let from_us = ours.step(now, &to_us, asked);
        to_us = other
            .as_mut()
            .map(|other| other.step(now, &to_other, None))
            .unwrap_or_default();
        said.extend(from_us.iter().cloned());
        said.extend(to_us.iter().cloned());
        to_other = from_us;
    }
    (script, said)
}

/// The frame of a message, signed with the signer's key.
fn frame_of(message: &Message, signer: Signer) -> Vec<u8> {
    let auth = match signer {
        Signer::Nobody => Auth::insecure(),
        keyed => Auth::keyed(Key::derive(&keyed.key_file()), None),
    };
    let header = Header {
        path: twinline_wire::heartbeat::Path::HaPort,
        stack: StackName::new(STACK).expect("a name"),
        instance: message.instance,
        boot: message.boot,
        seq: message.seq,
    };
    let (ip, group) = ([169, 254, 0, 1].into(), [239, 255, 43, 203].into());
    let addressing = Addressing::multicast(Mac([2, 0, 0, 0, 0, 0x0a]), ip, group, PORT);
    let mut buffer = [0; MAX_FRAME_LEN];
    let length = match &message.body {
        Body::Heartbeat(said) => {
            wire::heartbeat(said).emit(&mut buffer, &header, &addressing, &auth)
        }
        Body::Macs(said) => wire::macs(said).emit(&mut buffer, &header, &addressing, &auth),
        Body::Neighbours(said) => {
            wire::neighbours(said).emit(&mut buffer, &header, &addressing, &auth)
        }
    };
    buffer[..length.expect("a node's message fits")].to_vec()
}

/// Scripts by hand: what no honest peer does.
fn by_hand() -> Vec<(&'static str, Vec<u8>)> {
    let say = |role: u8, flags: u16, how: u8| {
        Op::Say(Say {
            peer: 0,
            how,
            role,
            flags,
            successor: 1,
            epoch: 0,
        })
    };
    let mut attack = vec![Op::Step(200)];
    for _ in 0..5 {
        attack.extend([say(1, 2, 4), Op::Step(1000)]);
    }
    let replays = [0, 1, 3, 127, 128, 129, 255].map(|back| Op::Replay { peer: 0, back });
    attack.extend(replays);
    attack.extend([
        Op::Step(500),
        Op::Restart { peer: 0, by: 138 },
        say(2, 6, 4),
    ]);
    attack.extend([Op::Step(500), Op::Step(2000), Op::Step(1000)]);
    attack.extend([say(2, 6, 4), Op::Step(1000), say(1, 64, 0), Op::Step(100)]);

    let mut crowd = vec![Op::Step(5000)];
    crowd.extend((0..20).map(|peer| {
        Op::Say(Say {
            peer,
            how: 8,
            role: 2,
            flags: 3,
            successor: 0,
            epoch: 129,
        })
    }));
    crowd.extend((0..12).map(Op::Reject));
    crowd.extend([Op::Step(1000), Op::Step(0x8000 | 40), Op::Step(1000)]);

    let mut full = vec![Op::Step(5000), Op::Step(5000)];
    full.extend((0..3).map(|n| Op::Learn {
        pair: 128 * (n & 1),
        first: u16::from(n) * 4000,
        many: 250,
    }));
    full.extend([Op::Step(200), Op::Machine(0xf2), Op::Step(200)]);
    full.extend([Op::Machine(4), Op::Step(11_000), Op::Step(11_000)]);
    full.extend([Op::Machine(8), Op::Bytes(1 << 20), Op::Step(10_000)]);
    full.push(Op::Share {
        peer: 0,
        pair: 128,
        first: 9,
        many: 12,
    });
    full.push(Op::Reload(Knobs {
        bits: 4,
        interval: 1,
        failure_threshold: 0,
        ..KNOBS
    }));
    full.extend([Op::Step(10), Op::Step(0x8000 | 39), Op::Ask(2), Op::Ask(3)]);
    full.extend([Op::Step(10), Op::Step(10), Op::Ask(0), Op::Step(10)]);

    // A peer that loses every second heartbeat, then one whose patience is shorter than ours.
    let mut losses = vec![Op::Step(500)];
    (0..6).for_each(|_| losses.extend([say(1, 2, 4 | 1), Op::Step(1000)]));
    let mut impatient = vec![Op::Step(500), Op::Step(4000), Op::Step(200)];
    (0..4).for_each(|_| impatient.extend([say(1, 2, 4 | 64), Op::Step(500), Op::Step(500)]));

    let script = |start: Start, ops: Vec<Op>| {
        let mut out = Vec::new();
        start.write(&mut out);
        ops.iter().for_each(|op| op.write(&mut out));
        out
    };
    let saved = Start {
        saved: 8 | 16,
        ..SECONDARY
    };
    vec![
        ("replays", script(saved, attack)),
        ("losses", script(SECONDARY, losses)),
        ("impatient-peer", script(PRIMARY, impatient)),
        ("crowd", script(PRIMARY, crowd)),
        ("full-tables", script(PRIMARY, full)),
    ]
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(name), bytes)
}

fn main() -> std::io::Result<()> {
    let root = std::env::args().nth(1).unwrap_or_else(|| "corpus".into());
    let (heartbeats, nodes) = (
        Path::new(&root).join("heartbeat"),
        Path::new(&root).join("node"),
    );
    let mut said = Vec::new();
    for scene in &SCENES {
        let (script, messages) = play(scene);
        write(&nodes, scene.name, &script)?;
        said.extend(messages);
    }
    for (name, script) in by_hand() {
        write(&nodes, name, &script)?;
    }

    // One of each kind: of each role, set of flags and number of echoes.
    let mut kinds = BTreeSet::new();
    said.retain(|message| {
        kinds.insert(match &message.body {
            Body::Heartbeat(h) => format!("{:?} {:?} {}", h.role, h.flags, h.echoes.len()),
            Body::Neighbours(chunk) => format!("{} neighbours", chunk.neighbours.len()),
            Body::Macs(chunk) => format!("{:?} {}", chunk.side, chunk.macs.len()),
        })
    });
    for (number, message) in said.iter().enumerate() {
        let signer = Signer::ALL[number % Signer::ALL.len()];
        let frame = frame_of(message, signer);
        let payload = &frame[PAYLOAD_AT..];
        let unsigned = &payload[..payload.len() - TAG_LEN];
        let seed = |first: u8, rest: &[u8]| [&[first], rest].concat();
        let seeds = [
            ("frame", seed(Kind::Frame as u8, &frame)),
            ("payload", seed(Kind::Payload as u8, payload)),
            ("unsigned", seed(unsigned_by(signer), unsigned)),
        ];
        for (kind, bytes) in seeds {
            write(&heartbeats, &format!("{kind}-{number:02}"), &bytes)?;
        }
    }
    let mut frame = [0; announce::FRAME_LEN];
    announce::emit(Mac([2, 0xaa, 0, 0, 0, 1]), 1, 5, &mut frame);
    write(
        &heartbeats,
        "announcement",
        &[&[0], frame.as_slice()].concat(),
    )?;
    for tags in 0..4u8 {
        let fields = [
            3 | tags << 2,
            2,
            0xaa,
            0,
            0,
            0,
            1,
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            5,
        ];
        write(&heartbeats, &format!("announcement-{tags}-tags"), &fields)?;
    }
    for (name, script) in twinline_fuzz::slow_path::seeds() {
        write(&Path::new(&root).join("slow-path"), name, &script)?;
    }
    Ok(())
}
