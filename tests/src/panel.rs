//! A patch panel between an appliance and its two cables, whose relays a modelled bypass card moves.
//!
//! ```text
//!   LAN cable ── lancable ┐                    ┌ lanport ── the appliance's lan0
//!                         │  bridges, moved    │
//!   WAN cable ── wancable ┘  as the relays are └ wanport ── the appliance's wan0
//! ```
//!
//! The card's model lives in the lab's process and in real time: it goes on when the engine is
//! killed, its watchdog expires, and the cables are really joined or opened. The engine reaches its
//! registers over a Unix socket, edge by edge.

use crate::error::{LabError, Result};
use crate::netns;
use crate::run::Run;
use crate::sys::Interfaces;
use crate::topology::{Side, Topology};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use twinline_bypass::access::socket;
use twinline_bypass::model::{Cable, intel, silicom};
use twinline_bypass::{CardError, Delay, Function, Path, RegisterIo};
use twinline_bypass::{intel as intel_driver, silicom as silicom_driver};

/// Cables that are open for longer lose their link at both ends.
const NOTICED: Duration = Duration::from_millis(50);
/// How often the relays are looked at.
const LOOK: Duration = Duration::from_millis(1);

/// The bridges of a panel; its interfaces are there already. Everything is open.
///
/// # Errors
/// When iproute2 refuses.
pub fn lay(panel: &str) -> Result<()> {
    for bridge in ["lanside", "wanside"] {
        // it learns nothing: a relay does not either
        netns::ip(
            panel,
            &format!(
                "link add name {bridge} type bridge stp_state 0 forward_delay 0 ageing_time 0 \
                 mcast_snooping 0"
            ),
        )?;
        netns::ip(panel, &format!("link set dev {bridge} arp off up"))?;
    }
    let open = State {
        cable: Cable::Open,
        up: [false; 4],
    };
    open.apply(panel, None)
}

/// The panel's interfaces: the ends of both cables, then of both ports.
const ENDS: [&str; 4] = ["lancable", "wancable", "lanport", "wanport"];

/// How a panel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    cable: Cable,
    /// Which of [`ENDS`] give a signal.
    up: [bool; 4],
}

impl State {
    /// Moves the panel from `last` to this. A tap is a join here: the ports hear nothing.
    ///
    /// Cables change their bridge and stay up: an interface that goes down and up again sends
    /// nothing for up to a second (the kernel's linkwatch), which no relay does.
    fn apply(&self, panel: &str, last: Option<State>) -> Result<()> {
        let mut lines = String::new();
        if last.is_none_or(|last| last.cable != self.cable) {
            let bridges = match self.cable {
                Cable::Ports => ["lanside", "wanside", "lanside", "wanside"].map(Some),
                Cable::Joined | Cable::Tapped => [Some("lanside"), Some("lanside"), None, None],
                Cable::Open => [None; 4],
            };
            // what opens comes first: nothing may be joined to two at a time
            for end in ENDS {
                lines += &format!("link set dev {end} nomaster\n");
            }
            for (end, bridge) in ENDS.into_iter().zip(bridges) {
                if let Some(bridge) = bridge {
                    lines += &format!("link set dev {end} master {bridge}\n");
                }
            }
        }
        for (end, up) in ENDS.into_iter().zip(self.up) {
            let up = if up { "up" } else { "down" };
            lines += &format!("link set dev {end} arp off {up}\n");
        }
        let said = || LabError::io("ip -batch");
        let mut child = Command::new("ip")
            .args(["-n", panel, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(said())?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(lines.as_bytes()).map_err(said())?;
        }
        let output = child.wait_with_output().map_err(said())?;
        netns::checked("ip -batch (relays)", &output).map(drop)
    }
}

/// An interface that gives a signal as long as it is set up.
struct Far {
    interfaces: Interfaces,
    name: &'static str,
}

impl Far {
    fn at(namespace: &str, name: &'static str) -> Result<Self> {
        let interfaces = netns::inside(namespace, Interfaces::open)?;
        Ok(Self { interfaces, name })
    }

    fn signals(&self) -> bool {
        self.interfaces.is_up(self.name).unwrap_or(false)
    }
}

/// What lies at the other ends of a panel's wires.
struct Around {
    lan_cable: Far,
    wan_cable: Far,
    lan_port: Far,
    wan_port: Far,
}

impl Around {
    fn of(topology: &Topology, side: Side, series: bool, panels: &[String; 2]) -> Result<Self> {
        let own = topology.appliance(side);
        let (lan_cable, wan_cable) = match (side, series) {
            (Side::A, true) => (
                Far::at(&topology.lan, "a")?,
                Far::at(&panels[1], "lancable")?,
            ),
            (Side::B, true) => (
                Far::at(&panels[0], "wancable")?,
                Far::at(&topology.wan, "b")?,
            ),
            (side, false) => {
                let port = side.name();
                (Far::at(&topology.lan, port)?, Far::at(&topology.wan, port)?)
            }
        };
        Ok(Self {
            lan_cable,
            wan_cable,
            lan_port: Far::at(own, "lan0")?,
            wan_port: Far::at(own, "wan0")?,
        })
    }

    /// Which ends give a signal: each what the relays let it hear. Cables that are open for as long
    /// as relays move are not noticed.
    fn state(&self, cable: Cable, for_so_long: Duration) -> State {
        let up = match cable {
            Cable::Ports => [
                self.lan_port.signals(),
                self.wan_port.signals(),
                self.lan_cable.signals(),
                self.wan_cable.signals(),
            ],
            Cable::Joined | Cable::Tapped => [
                self.wan_cable.signals(),
                self.lan_cable.signals(),
                false,
                false,
            ],
            Cable::Open => {
                let unnoticed = for_so_long < NOTICED;
                [unnoticed, unnoticed, false, false]
            }
        };
        State { cable, up }
    }
}

/// Which card is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardKind {
    /// Silicom's microcontroller, on an I350.
    Silicom,
    /// Intel's serial words, on an X540.
    Intel,
}

impl CardKind {
    /// As the configuration names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Silicom => "silicom",
            Self::Intel => "intel",
        }
    }
}

/// The model, whichever it is.
#[derive(Clone)]
enum Model {
    Silicom(silicom::Model),
    Intel(intel::Model),
}

impl Model {
    fn advance_to(&self, elapsed: Duration) {
        match self {
            Self::Silicom(model) => model.advance_to(elapsed),
            Self::Intel(model) => model.advance(elapsed.saturating_sub(model.now())),
        }
    }

    fn cable(&self) -> Cable {
        match self {
            Self::Silicom(model) => model.cable(),
            Self::Intel(model) => model.cable(),
        }
    }
}

/// A model in real time.
struct RealTime {
    model: Model,
    zero: Instant,
}

impl RealTime {
    fn advance(&self) {
        self.model.advance_to(self.zero.elapsed());
    }
}

impl RegisterIo for RealTime {
    fn read(&mut self, function: Function, offset: u32) -> std::result::Result<u32, CardError> {
        self.advance();
        match &mut self.model {
            Model::Silicom(model) => model.read(function, offset),
            Model::Intel(model) => model.read(function, offset),
        }
    }

    fn write(
        &mut self,
        function: Function,
        offset: u32,
        value: u32,
    ) -> std::result::Result<(), CardError> {
        self.advance();
        match &mut self.model {
            Model::Silicom(model) => model.write(function, offset, value),
            Model::Intel(model) => model.write(function, offset, value),
        }
    }
}

impl Delay for RealTime {
    fn wait(&mut self, at_least: Duration) {
        std::thread::sleep(at_least);
        self.advance();
    }
}

/// When the relays were where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// When the cables followed.
    pub at: Instant,
    /// To where.
    pub cable: Cable,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A panel with a card that lives.
pub struct Panel {
    model: Model,
    socket: PathBuf,
    moves: Arc<Mutex<Vec<Moved>>>,
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Panel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Panel({}, {:?})", self.socket.display(), self.cable())
    }
}

impl Panel {
    /// Gives a panel's card power: it takes its power-up path by itself.
    ///
    /// # Errors
    /// When the socket or a thread cannot be made.
    pub fn power(run: &Run, topology: &Topology, side: Side, kind: CardKind) -> Result<Self> {
        let Some(panels) = &topology.panels else {
            return Err(LabError::Probe("this lab has no panels".into()));
        };
        let series = topology.series;
        let around = Around::of(topology, side, series, panels)?;
        let panel = panels[usize::from(side == Side::B)].clone();
        let model = match kind {
            CardKind::Silicom => Model::Silicom(silicom::Model::new(
                silicom_board(),
                &silicom::Parameters {
                    // a machine that holds a thread for a millisecond must not break a frame
                    frame_timeout: None,
                    ..silicom::Parameters::default()
                },
            )),
            CardKind::Intel => Model::Intel(intel::Model::new(intel::Params {
                family: intel_driver::Family::X540,
                ..intel::Params::default()
            })),
        };
        let socket = run.directory().join(format!("{}.card", side.name()));
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).map_err(LabError::io("a card's socket"))?;
        listener
            .set_nonblocking(true)
            .map_err(LabError::io("a card's socket"))?;
        let mut made = Self {
            model,
            socket,
            moves: Arc::default(),
            ends: Arc::default(),
            threads: Vec::new(),
        };
        let zero = Instant::now();
        made.serve_registers(listener, zero)?;
        made.follow_relays(panel, around, zero)?;
        Ok(made)
    }

    fn serve_registers(&mut self, listener: UnixListener, zero: Instant) -> Result<()> {
        let (model, ends) = (self.model.clone(), self.ends.clone());
        self.spawn("registers", move || {
            while !ends.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let model = model.clone();
                        // one thread a client: a killed engine's end may be seen late
                        std::thread::spawn(move || {
                            let _ = stream.set_nonblocking(false);
                            let _ = socket::serve(stream, RealTime { model, zero });
                        });
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(LOOK),
                    Err(_) => return,
                }
            }
        })
    }

    fn follow_relays(&mut self, panel: String, around: Around, zero: Instant) -> Result<()> {
        let (model, ends, moves) = (self.model.clone(), self.ends.clone(), self.moves.clone());
        self.spawn("relays", move || {
            let mut last: Option<State> = None;
            let mut since = (Cable::Open, zero);
            while !ends.load(Ordering::Relaxed) {
                model.advance_to(zero.elapsed());
                let cable = model.cable();
                if cable != since.0 {
                    since = (cable, Instant::now());
                }
                let state = around.state(cable, since.1.elapsed());
                if last != Some(state) && state.apply(&panel, last).is_ok() {
                    let moved = last.is_none_or(|last| last.cable != state.cable);
                    last = Some(state);
                    if moved {
                        let (at, cable) = (Instant::now(), state.cable);
                        lock(&moves).push(Moved { at, cable });
                    }
                }
                std::thread::sleep(LOOK);
            }
        })
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(work);
        self.threads.push(thread.map_err(LabError::io("a thread"))?);
        Ok(())
    }

    /// The socket of its registers.
    #[must_use]
    pub fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    /// What the cables see now, by the card's own word.
    #[must_use]
    pub fn cable(&self) -> Cable {
        self.model.cable()
    }

    /// Every move of the relays so far.
    #[must_use]
    pub fn moves(&self) -> Vec<Moved> {
        lock(&self.moves).clone()
    }

    /// When the cables were last so, if they are now.
    #[must_use]
    pub fn since(&self, path: Path) -> Option<Instant> {
        let moves = self.moves();
        let last = moves.last().filter(|m| m.cable == Cable::of(path))?;
        Some(last.at)
    }

    /// The Silicom card, to pull its plug or break it.
    #[must_use]
    pub fn silicom(&self) -> Option<&silicom::Model> {
        match &self.model {
            Model::Silicom(model) => Some(model),
            Model::Intel(_) => None,
        }
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.socket);
    }
}

fn silicom_board() -> silicom_driver::Board {
    silicom_driver::Board {
        family: silicom_driver::Family::I350,
        media: silicom_driver::Media::Copper,
    }
}
