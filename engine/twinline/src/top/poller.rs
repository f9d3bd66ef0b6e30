//! Asks the engine, round after round, on a thread of its own: an engine that is stopped holds up
//! nothing but its own answers.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::{Duration, Instant};

use twinline_control::{Client, ClientError, Payload, Reply, Request};

use super::state::{Answers, News};

/// For how long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// A connection that was idle for longer is not used again: the engine closes it after 5 s.
const IDLE: Duration = Duration::from_secs(4);
/// So many events are asked for at first.
const FIRST_EVENTS: u32 = 500;

/// Asks one engine.
pub struct Poller {
    socket: PathBuf,
    connection: Option<(Client, Instant)>,
    /// The engine's boot id in the last round.
    boot: Option<String>,
    /// The last event seen.
    after: Option<u64>,
}

/// What the operator reads when the engine does not answer.
type Why = String;

impl Poller {
    /// Asks the engine behind `socket`.
    pub fn new(socket: PathBuf) -> Poller {
        Poller {
            socket,
            connection: None,
            boot: None,
            after: None,
        }
    }

    /// One round of questions.
    pub fn round(&mut self) -> News {
        match self.answers() {
            Ok(answers) => News::Answers(Box::new(answers)),
            Err(why) => {
                self.connection = None;
                News::Away(why)
            }
        }
    }

    fn answers(&mut self) -> Result<Answers, Why> {
        let ha = match self.ask(&Request::ShowHa)? {
            Reply::Ok(Payload::Ha(ha)) => *ha,
            Reply::Error { message } => return Err(message),
            Reply::Refused { reason } => return Err(format!("refused: {reason}")),
            Reply::Ok(_) => return Err("the engine answered something else than its state".into()),
        };
        let restarted = self.boot.as_ref() != Some(&ha.boot);
        if restarted {
            self.after = None;
        }
        let mut answers = Answers {
            ha,
            restarted,
            ..Answers::default()
        };
        let events = Request::ShowEvents {
            last: self.after.is_none().then_some(FIRST_EVENTS),
            after: self.after,
        };
        let questions = [
            Request::ShowLinkPairs,
            Request::ShowPorts,
            Request::ShowBandwidth,
            Request::ShowBypass,
            Request::ShowVirtualRouters,
            events,
        ];
        for question in &questions {
            // A refusal or an error is an engine that does not know the question: that part is not
            // shown, and the others are.
            match self.ask(question)? {
                Reply::Ok(Payload::LinkPairs(it)) => answers.pairs = Some(it),
                Reply::Ok(Payload::Ports(it)) => answers.ports = Some(it),
                Reply::Ok(Payload::Bandwidth(it)) => answers.bandwidth = Some(it),
                Reply::Ok(Payload::Bypass(it)) => answers.bypass = Some(it),
                Reply::Ok(Payload::VirtualRouters(it)) => answers.routers = Some(it),
                Reply::Ok(Payload::Events(it)) => answers.events = Some(it),
                _ => {}
            }
        }
        // Only now: a round that failed halfway is asked for again from its beginning.
        let newest = answers.events.iter().flatten().map(|event| event.seq).max();
        self.after = newest.or(self.after);
        self.boot = Some(answers.ha.boot.clone());
        Ok(answers)
    }

    /// Asks, on the connection that there is, or on a new one.
    fn ask(&mut self, request: &Request) -> Result<Reply, Why> {
        if let Some((mut client, used)) = self.connection.take()
            && used.elapsed() < IDLE
        {
            match client.call(request) {
                Ok(reply) => {
                    self.connection = Some((client, Instant::now()));
                    return Ok(reply);
                }
                // The engine started anew, or closed what it took for idle.
                Err(ClientError::Closed { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        let ask = || {
            let mut client = Client::connect(&self.socket)?.with_time(PATIENCE);
            let reply = client.call(request)?;
            Ok((client, reply))
        };
        let (client, reply) = ask().map_err(|error: ClientError| error.to_string())?;
        self.connection = Some((client, Instant::now()));
        Ok(reply)
    }

    /// Asks every `interval` and sends what came, until the other side of `stop` is dropped.
    pub fn run(mut self, interval: Duration, to: &SyncSender<News>, stop: &Receiver<()>) {
        loop {
            let begun = Instant::now();
            if to.send(self.round()).is_err() {
                return;
            }
            let rest = interval.saturating_sub(begun.elapsed());
            match stop.recv_timeout(rest) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// Starts the thread. It ends when the receiver, or the sender that is returned, is dropped.
pub fn start(socket: PathBuf, interval: Duration) -> std::io::Result<(Receiver<News>, Sender<()>)> {
    // One round waits to be shown, no more: a screen that is held up sees the newest soon after.
    let (to, from) = std::sync::mpsc::sync_channel(1);
    let (stop, stopped) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("poller".into())
        .spawn(move || Poller::new(socket).run(interval, &to, &stopped))?;
    Ok((from, stop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread::JoinHandle;
    use tempfile::TempDir;
    use twinline_control::{Access, Event, HaStatus, LinkPairStatus, Server};

    /// An engine that answers from what it is given; the number is its boot id.
    struct Engine {
        _folder: TempDir,
        socket: PathBuf,
        boot: Arc<AtomicU64>,
        stop: Arc<AtomicU64>,
        thread: Option<JoinHandle<()>>,
    }

    impl Engine {
        fn start() -> Engine {
            let folder = TempDir::new().unwrap();
            let socket = folder.path().join("s.sock");
            let (boot, stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(0)));
            let mut engine = Engine {
                _folder: folder,
                socket,
                boot,
                stop,
                thread: None,
            };
            engine.run();
            engine
        }

        fn run(&mut self) {
            let (server, calls) = Server::bind(&self.socket, &Access::default()).unwrap();
            let (boot, stop) = (Arc::clone(&self.boot), Arc::clone(&self.stop));
            stop.store(0, Ordering::SeqCst);
            self.thread = Some(std::thread::spawn(move || {
                let _server = server;
                while stop.load(Ordering::SeqCst) == 0 {
                    let Ok(call) = calls.recv_timeout(Duration::from_millis(20)) else {
                        continue;
                    };
                    let reply = answer(call.request(), boot.load(Ordering::SeqCst));
                    call.answer(reply);
                }
            }));
        }

        fn end(&mut self) {
            self.stop.store(1, Ordering::SeqCst);
            self.thread.take().unwrap().join().unwrap();
        }
    }

    fn answer(request: &Request, boot: u64) -> Reply {
        Reply::Ok(match request {
            Request::ShowHa => Payload::Ha(Box::new(HaStatus {
                boot: boot.to_string(),
                ..HaStatus::default()
            })),
            Request::ShowLinkPairs => Payload::LinkPairs(vec![LinkPairStatus::default()]),
            Request::ShowEvents { after, .. } => Payload::Events(
                (after.unwrap_or(0) + 1..=5)
                    .map(|seq| Event {
                        seq,
                        ..Event::default()
                    })
                    .collect(),
            ),
            _ => {
                return Reply::Error {
                    message: "this engine does not know that".into(),
                };
            }
        })
    }

    fn answers(news: News) -> Answers {
        match news {
            News::Answers(answers) => *answers,
            News::Away(why) => panic!("away: {why}"),
        }
    }

    #[test]
    fn an_older_engine_an_absent_one_and_a_new_run() {
        let mut engine = Engine::start();
        let mut poller = Poller::new(engine.socket.clone());
        let first = answers(poller.round());
        assert!(first.restarted);
        assert_eq!(
            (first.bandwidth, first.ports),
            (None, None),
            "not known there"
        );
        assert_eq!(first.pairs.unwrap().len(), 1);
        assert_eq!(first.events.unwrap().len(), 5);
        let second = answers(poller.round());
        assert!(!second.restarted);
        assert_eq!(second.events.unwrap(), [], "only what is new");

        engine.end();
        // The connection that is open may be told that the engine stops; a new one finds nobody.
        let mut away = || match poller.round() {
            News::Away(why) => why,
            News::Answers(_) => panic!("still there"),
        };
        away();
        let why = away();
        assert!(why.contains("no engine listens on"), "{why}");

        engine.boot.store(2, Ordering::SeqCst);
        engine.run();
        let third = answers(poller.round());
        assert!(third.restarted);
        assert_eq!(third.events.unwrap().len(), 5, "another run, all of them");
        engine.end();
    }
}
