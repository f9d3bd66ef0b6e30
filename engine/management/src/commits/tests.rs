//! Any sequence of commits, confirmations, rollbacks, time and kills leaves exactly one configuration
//! in force, and it is the one that a model says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use twinline_config::Config;
use twinline_ha::Reason;

use super::history::KEPT;
use super::store::{Folder, Stored, hash, load, write_whole};
use super::worker::{Base, Wish};
use super::{By, Clocks, History, New, Started, begin};

const EXAMPLE: &str = include_str!("../../../../config/examples/standalone.toml");

/// A configuration that is known by a number.
fn text(folder: &Path, number: u16) -> String {
    let state = folder.join("a.state");
    let named = format!("[instance]\nstate_file = \"{}\"\n", state.display());
    EXAMPLE
        .replace("[instance]\n", &named)
        .replace("[ha]\n", &format!("[ha]\nmax_flaps = {number}\n"))
}

fn number(config: &Config) -> u16 {
    config.ha.max_flaps
}

fn new(by: By, text: String) -> New {
    New {
        by,
        user: "root".into(),
        summary: "s".into(),
        text: text.into(),
    }
}

/// An engine without its core: what it does with the history, by the same calls.
struct Sim {
    dir: TempDir,
    clocks: Clocks,
    history: History,
    in_force: u16,
    folder: Folder,
}

impl Sim {
    fn file(&self) -> PathBuf {
        self.dir.path().join("a.toml")
    }

    fn started() -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("a.toml");
        fs::write(&file, text(dir.path(), 0)).unwrap();
        let clocks = Clocks {
            unix_ms: 100_000_000,
            boot: "one".into(),
            uptime_ms: 1000,
        };
        let mut sim = Self {
            folder: Folder::new(dir.path().join("a.state.commits")),
            dir,
            clocks,
            history: History::default(),
            in_force: 0,
        };
        sim.start();
        sim
    }

    fn start(&mut self) -> Started {
        let started = begin(&self.file(), &self.clocks).unwrap();
        self.history = started.past.history.clone();
        self.in_force = number(&started.loaded.config);
        self.folder = Folder::new(self.dir.path().join("a.state.commits"));
        self.keep();
        started
    }

    fn keep(&mut self) {
        self.folder.save(&self.history).unwrap();
    }

    fn commit(&mut self, to: u16, within: Option<u64>) {
        let new = new(By::Commit, text(self.dir.path(), to));
        match within {
            None => self.history.push(new, self.clocks.unix_ms),
            Some(ms) => {
                let within = Duration::from_millis(ms);
                self.history.push_waiting(new, within, self.clocks.clone());
            }
        }
        self.in_force = to;
    }

    fn expire(&mut self) {
        let left = self.history.waiting.as_ref().map(|w| w.left(&self.clocks));
        if left.is_some_and(|left| left.is_zero()) {
            let text = self.history.not_confirmed(self.clocks.unix_ms).unwrap();
            self.in_force = number(&Config::parse(&text, "f").unwrap().config);
        }
    }

    fn pass(&mut self, ms: u64) {
        self.clocks.unix_ms += ms;
        self.clocks.uptime_ms += ms;
    }
}

#[derive(Debug, Clone)]
enum Deed {
    Commit(u16, Option<u64>),
    Confirm,
    Rollback(usize),
    Time(u64),
    SetClock(i64),
    Kill { after: u64, reboot: bool },
    KillBeforeKept(u16),
    EditFile(u16),
    Save,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        3 => (1..500u16, prop::option::of(1..5000u64)).prop_map(|(n, w)| Deed::Commit(n, w)),
        1 => Just(Deed::Confirm),
        1 => (1..5usize).prop_map(Deed::Rollback),
        2 => (0..4000u64).prop_map(Deed::Time),
        1 => (-500_000..500_000i64).prop_map(Deed::SetClock),
        2 => (0..4000u64, any::<bool>()).prop_map(|(after, reboot)| Deed::Kill { after, reboot }),
        1 => (1..500u16).prop_map(Deed::KillBeforeKept),
        1 => (500..900u16).prop_map(Deed::EditFile),
        1 => Just(Deed::Save),
    ];
    prop::collection::vec(deed, 1..25)
}

/// What should be: the numbers that were in force, newest first, and the time that is left.
struct Model {
    past: Vec<u16>,
    /// What comes back, and after how many ms.
    waiting: Option<(u16, u64)>,
    /// The wall clock was set since the commit that waits.
    clock_set: bool,
    file: u16,
    file_edited: bool,
}

impl Model {
    fn push(&mut self, to: u16) {
        self.past.insert(0, to);
        self.waiting = None;
    }

    fn pass(&mut self, ms: u64) {
        if let Some((former, left)) = &mut self.waiting {
            *left = left.saturating_sub(ms);
            if *left == 0 {
                let former = *former;
                self.push(former);
            }
        }
    }

    fn start(&mut self) {
        if self.file_edited {
            self.file_edited = false;
            if self.past[0] == self.file {
                self.waiting = None;
            } else {
                self.push(self.file);
            }
        }
    }
}

fn play(deeds: Vec<Deed>) {
    let mut sim = Sim::started();
    let mut model = Model {
        past: vec![0],
        waiting: None,
        clock_set: false,
        file: 0,
        file_edited: false,
    };
    for deed in deeds {
        match deed.clone() {
            Deed::Commit(to, within) => {
                let former = model.waiting.map_or(model.past[0], |(former, _)| former);
                sim.commit(to, within);
                model.push(to);
                model.waiting = within.map(|ms| (former, ms));
                model.clock_set = false;
            }
            Deed::Confirm => {
                assert_eq!(sim.history.confirm(), model.waiting.take().is_some());
            }
            Deed::Rollback(n) => {
                if let Some(&to) = model.past.get(n) {
                    let text = Arc::clone(&sim.history.commits[n].text);
                    let (now, new) = (sim.clocks.unix_ms, new(By::Rollback, text.to_string()));
                    sim.history.push(new, now);
                    sim.in_force = to;
                    model.push(to);
                }
            }
            Deed::Time(ms) => {
                sim.pass(ms);
                sim.expire();
                model.pass(ms);
            }
            Deed::SetClock(ms) => {
                sim.clocks.unix_ms = sim.clocks.unix_ms.saturating_add_signed(ms);
                model.clock_set = true;
            }
            Deed::Kill { after, reboot } => {
                sim.keep();
                sim.pass(after);
                // what another boot can know of the time is another test's
                if reboot && !(model.clock_set && model.waiting.is_some()) {
                    sim.clocks.boot.push('x');
                    sim.clocks.uptime_ms = after;
                }
                // the file counts before the time does: its edit is newer than the commit
                if !model.file_edited {
                    model.pass(after);
                }
                sim.start();
                model.start();
            }
            Deed::KillBeforeKept(to) => {
                sim.keep();
                sim.commit(to, None);
                sim.start();
                model.start();
            }
            Deed::EditFile(to) => {
                fs::write(sim.file(), text(sim.dir.path(), to)).unwrap();
                (model.file, model.file_edited) = (to, true);
            }
            Deed::Save => {
                if model.waiting.is_none() && !model.file_edited {
                    let text = Arc::clone(&sim.history.commits[0].text);
                    write_whole(&sim.file(), text.as_bytes(), 0o600, None).unwrap();
                    sim.history.file_hash = hash(&text);
                    model.file = model.past[0];
                }
            }
        }
        assert_eq!(sim.in_force, model.past[0], "in force after {deed:?}");
        assert_eq!(
            sim.history.waiting.is_some(),
            model.waiting.is_some(),
            "{deed:?}"
        );
        let numbers: Vec<u16> = sim
            .history
            .commits
            .iter()
            .map(|commit| number(&Config::parse(&commit.text, "f").unwrap().config))
            .collect();
        assert_eq!(numbers, model.past, "{deed:?}");
        let mut times = sim.history.commits.iter().map(|c| c.time_unix_ms);
        let first = times.next().unwrap();
        times.fold(first, |newer, older| {
            assert!(newer > older, "two commits of one name, or out of order");
            older
        });
        sim.keep();
        let stored = load(&sim.dir.path().join("a.state.commits"));
        assert_eq!(stored.history, sim.history);
        assert_eq!(stored.problem, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn one_configuration_is_in_force_and_it_is_the_right_one(deeds in deeds()) {
        play(deeds);
    }
}

#[test]
fn a_time_that_passed_while_nothing_ran_is_over_at_the_start() {
    for (reboot, set_back) in [(false, 0), (true, 0), (true, 500_000), (false, 500_000)] {
        let mut sim = Sim::started();
        sim.commit(7, Some(10_000));
        sim.keep();
        sim.pass(10_001);
        sim.clocks.unix_ms -= set_back;
        if reboot {
            sim.clocks.boot = "two".into();
            sim.clocks.uptime_ms = 5;
        }
        let started = sim.start();
        assert_eq!(sim.in_force, 0, "{reboot} {set_back}");
        assert_eq!(sim.history.commits[0].by, By::NotConfirmed);
        assert_eq!(started.past.notes[0].1, Reason::CommitNotConfirmed);
        assert!(started.past.waiting.is_none());
    }
}

#[test]
fn a_time_that_is_left_goes_on_and_never_grows() {
    let mut sim = Sim::started();
    sim.commit(7, Some(10_000));
    sim.keep();
    sim.pass(4000);
    sim.clocks.unix_ms -= 3_600_000;
    let started = sim.start();
    assert_eq!(sim.in_force, 7);
    let (former, left) = started.past.waiting.unwrap();
    assert_eq!((number(&former), left), (0, Duration::from_secs(6)));
    // a checkpoint, then another boot whose clock is set back
    let left = sim.history.waiting.as_ref().unwrap().left(&sim.clocks);
    sim.history.wait_anew(left, sim.clocks.clone());
    sim.keep();
    sim.clocks.boot = "two".into();
    sim.clocks.unix_ms -= 1;
    sim.start();
    assert_eq!(
        sim.in_force, 0,
        "how long is not known: the former one is safe"
    );
}

#[test]
fn a_file_that_was_edited_counts_and_what_was_never_in_it_is_named() {
    let mut sim = Sim::started();
    sim.commit(7, None);
    sim.keep();
    let started = sim.start();
    assert_eq!(sim.in_force, 7, "the file is as it was");
    let note = &started.past.notes[0];
    assert_eq!(note.1, Reason::StartedFromCommit, "{}", note.0);
    fs::write(sim.file(), text(sim.dir.path(), 9)).unwrap();
    let started = sim.start();
    assert_eq!(sim.in_force, 9);
    let note = &started.past.notes[0];
    assert_eq!(note.1, Reason::FileEdited);
    assert!(
        note.0.contains("by root") && note.0.contains("rollback 1"),
        "{}",
        note.0
    );
    assert_eq!(sim.history.commits[0].by, By::Start);
    assert_eq!(sim.history.commits[0].summary, "ha.max_flaps: 7 -> 9");
    // an edit of what was in force is an edit
    fs::write(sim.file(), text(sim.dir.path(), 10)).unwrap();
    assert_eq!(sim.start().past.notes, []);
    // a comment is no change
    fs::write(sim.file(), text(sim.dir.path(), 10) + "# x\n").unwrap();
    let before = sim.history.commits.len();
    assert_eq!(sim.start().past.notes, []);
    assert_eq!(sim.history.commits.len(), before);
}

#[test]
fn what_cannot_be_used_leaves_the_file() {
    let mut sim = Sim::started();
    let bad = text(sim.dir.path(), 7) + "[nonsense]\n";
    sim.history.push(new(By::Commit, bad), sim.clocks.unix_ms);
    sim.keep();
    let started = sim.start();
    assert_eq!(sim.in_force, 0);
    assert_eq!(started.past.notes[0].1, Reason::CommitsLost);
    // the state file elsewhere: it would be looked for elsewhere, too
    let other = TempDir::new().unwrap();
    let moved = text(other.path(), 8);
    sim.history.push(new(By::Commit, moved), sim.clocks.unix_ms);
    sim.keep();
    sim.start();
    assert_eq!(sim.in_force, 0);
}

#[test]
fn damage_is_said_and_leaves_the_file() {
    let mut sim = Sim::started();
    sim.commit(7, Some(600_000));
    sim.keep();
    let folder = sim.dir.path().join("a.state.commits");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&folder), mode(&folder.join("index.json"))),
        (0o700, 0o600)
    );
    let index = fs::read(folder.join("index.json")).unwrap();
    for at in (0..index.len()).step_by(7) {
        let mut bad = index.clone();
        bad[at] ^= 0x01;
        fs::write(folder.join("index.json"), &bad).unwrap();
        let stored = load(&folder);
        let whole = stored.problem.is_none() && stored.history == sim.history;
        assert!(whole || stored.history == History::default(), "byte {at}");
        let started = begin(&sim.file(), &sim.clocks).unwrap();
        assert_eq!(number(&started.loaded.config), if whole { 7 } else { 0 });
    }
    for garbage in ["", "{", "null", "[1]"] {
        fs::write(folder.join("index.json"), garbage).unwrap();
        assert!(load(&folder).problem.is_some_and(|p| p.contains("damaged")));
    }
    assert_eq!(load(&folder), Stored::default(), "put aside");
    // a text that is not what was committed
    fs::write(folder.join("index.json"), &index).unwrap();
    for file in fs::read_dir(&folder).unwrap().flatten() {
        if file.path().extension().is_some_and(|e| e == "toml") {
            fs::write(file.path(), "x = 1").unwrap();
        }
    }
    let problem = load(&folder).problem.unwrap();
    assert!(problem.contains("is not what was committed"), "{problem}");
}

#[test]
fn so_many_are_kept_and_no_file_more() {
    let mut sim = Sim::started();
    sim.commit(1, Some(600_000));
    for n in 0..60 {
        sim.commit(n % 900, Some(600_000));
        sim.keep();
    }
    assert_eq!(sim.history.commits.len(), KEPT);
    let files = fs::read_dir(sim.dir.path().join("a.state.commits"))
        .unwrap()
        .count();
    assert_eq!(files, KEPT + 2, "the texts, the former one's, the index");
    // what is led back to is not lost, however many came since
    sim.pass(600_000);
    sim.start();
    assert_eq!(sim.in_force, 0);
}

fn base(text: &str) -> Base {
    let config = Arc::new(Config::parse(text, "f").unwrap().config);
    Base {
        generation: 0,
        running: Arc::clone(&config),
        committed: config,
        text: text.into(),
    }
}

#[test]
fn candidates_are_checked_whole() {
    let dir = TempDir::new().unwrap();
    let now = text(dir.path(), 5);
    let prepare = |wish: Wish| super::prepare::prepare(&wish, &base(&now));
    let set = |key: &str, value: &str| {
        prepare(Wish::Set {
            key: key.into(),
            value: value.into(),
        })
    };
    let ready = set("ha.max_flaps", "6").unwrap();
    assert_eq!(super::summary(&ready.changes), "ha.max_flaps: 5 -> 6");
    assert_eq!(number(&ready.merged), 6);
    let error = set("ha.max_flaps", "6000").unwrap_err();
    assert!(
        error.ends_with("is out of range; accepted: 0 to 1000 (0 = no limit)"),
        "{error}"
    );
    assert!(
        set("ha.max_flop", "6")
            .unwrap_err()
            .ends_with("did you mean ha.max_flaps?")
    );
    assert!(
        set("eal.memory_mb", "64")
            .unwrap_err()
            .contains("needs a restart")
    );
    let bad = now.replace("max_flaps = 5", "max_flaps = -1\npreempt = 3");
    let error = prepare(Wish::Commit(bad.into())).unwrap_err();
    let mut lines = error.lines();
    assert_eq!(lines.next(), Some("2 errors; nothing is changed"));
    assert!(lines.next().unwrap().starts_with("candidate:"));
    assert!(error.contains("ha.preempt = 3"), "{error}");
    // what needs a restart is kept, and said
    let restart = now.replace("[instance]\n", "[eal]\nmemory_mb = 99\n[instance]\n");
    let ready = prepare(Wish::Commit(restart.into())).unwrap();
    assert_ne!(ready.merged.eal.memory_mb, 99);
    let kept = "kept for the next start: eal.memory_mb";
    assert!(
        ready.warnings.iter().any(|w| w == kept),
        "{:?}",
        ready.warnings
    );
    let moved = text(Path::new("/elsewhere"), 5);
    assert!(
        prepare(Wish::Commit(moved.into()))
            .unwrap_err()
            .contains("instance.state_file")
    );
    for hostile in [
        "\0",
        "[[[[",
        "a = \"\"\"",
        &"[a.".repeat(9999),
        "\u{feff}x = 1",
    ] {
        assert!(prepare(Wish::Diff(hostile.into())).is_err());
    }
}
