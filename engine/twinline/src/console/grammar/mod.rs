//! The commands, as data: one table from which lines are read, and help, completion and the
//! documentation are made.

mod complete;
mod help;
mod kind;
mod read;
mod shell;
mod table;

pub use complete::complete;
pub use help::{ctl_help, follows, help};
pub use kind::{Kind, confirm_seconds, watch_seconds, watchdog_ms};
pub use read::{Parsed, read, read_argv};
pub use shell::subcommands;

/// A part of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A word of the command itself.
    Word(&'static str),
    /// One of some words; with the name that help gives it.
    Choice(&'static str, &'static [&'static str]),
    /// A value.
    Value(Kind),
}

/// Where a command is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In the console outside of `configure`, and in `twinline ctl`.
    Operate,
    /// In the console outside of `configure` only.
    Console,
    /// Within `configure`.
    Configure,
}

/// The parts of `help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Looking at things.
    Show,
    /// The role.
    Ha,
    /// Ports.
    Ports,
    /// Bypass cards.
    Bypass,
    /// Changing the configuration.
    Configure,
    /// The console itself.
    Console,
}

impl Section {
    /// All, in the order of help.
    pub const ALL: [Section; 6] = [
        Section::Show,
        Section::Ha,
        Section::Ports,
        Section::Bypass,
        Section::Configure,
        Section::Console,
    ];

    /// What `help SECTION` calls it.
    pub fn word(self) -> &'static str {
        match self {
            Section::Show => "show",
            Section::Ha => "ha",
            Section::Ports => "ports",
            Section::Bypass => "bypass",
            Section::Configure => "configure",
            Section::Console => "console",
        }
    }

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Section::Show => "Look at things; `json` as the last word prints JSON",
            Section::Ha => "The role, and HA settings",
            Section::Ports => "Ports and captures",
            Section::Bypass => "Bypass cards",
            Section::Configure => "Change the configuration",
            Section::Console => "The console",
        }
    }
}

/// Whether an operator is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Never.
    No,
    /// Always; with what it does, as a question ends: "... Go on?".
    Yes(&'static str),
    /// Where it is given `force`.
    Forced(&'static str),
    /// Unless the word is among its values.
    Unless(&'static str, &'static str),
    /// By the command itself, when it knows more.
    Later,
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[rustfmt::skip]
pub enum Verb {
    ShowPort, ShowPorts, ShowFwdStats, ShowHa, ShowPeers, ShowPaths, ShowLinkPairs, ShowBandwidth,
    ShowFlaps, ShowEvents, ShowOutlets, FollowEvents, ShowVirtualRouters, ShowInterfaces, ShowNeighbours,
    ShowRoutes, ShowLcores, ShowMempools, ShowCaptures, ShowVersion, ShowBypass, ShowConfig,
    ShowConfigDiff, ShowCommits, ShowCommit, DumpHeartbeat,
    Switchover, Suspend, Resume, Clear, SetHa,
    ClearPortStats, SetLinkUp, SetLinkDown, SetPromisc, CaptureStart, CaptureStop,
    BypassPath, BypassMode, BypassEvent, BypassEventOfPort, BypassWatchdog, BypassTimeout,
    Configure, Confirm, Rollback, Save,
    EditSet, EditDelete, EditShow, EditDiff, EditLoad, EditCommit, EditCommitConfirmed, EditDiscard,
    EditExit, Run,
    Watch, Help, Quit,
}

/// A command of the table.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Its parts.
    pub tokens: &'static [Token],
    /// What it does.
    pub verb: Verb,
    /// Where it is known.
    pub mode: Mode,
    /// Where help has it.
    pub section: Section,
    /// Whether it is asked for first.
    pub ask: Ask,
    /// `force` may be its last word.
    pub force: bool,
    /// What it does, one line.
    pub help: &'static str,
}

impl Command {
    /// As it is written: `show port info|stats|xstats|link all|PORT`.
    pub fn usage(&self) -> String {
        let mut words: Vec<String> = self.tokens.iter().map(Token::usage).collect();
        if self.force {
            words.push("[force]".into());
        }
        words.join(" ")
    }

    /// Whether it looks at something, once, and changes nothing.
    pub fn only_looks(&self) -> bool {
        matches!(self.tokens.first(), Some(Token::Word("show" | "dump")))
            && self.verb != Verb::FollowEvents
    }

    /// Whether it is known there.
    pub fn is_in(&self, mode: Mode) -> bool {
        match mode {
            Mode::Operate => self.mode == Mode::Operate,
            Mode::Console => self.mode != Mode::Configure,
            // what changes nothing of the engine's state is known in both
            Mode::Configure => {
                self.mode == Mode::Configure
                    || matches!(self.verb, Verb::Confirm | Verb::Rollback | Verb::Save)
                    || matches!(self.verb, Verb::Help)
            }
        }
    }
}

impl Token {
    /// As help writes it.
    pub fn usage(&self) -> String {
        match self {
            Token::Word(word) => (*word).into(),
            Token::Choice(_, words) => words.join("|"),
            Token::Value(kind) => kind.placeholder().into(),
        }
    }
}

/// Names that only the engine knows, for completion.
pub trait Names {
    /// The names that a value of this kind can have now; empty where nobody knows.
    fn names(&self, kind: Kind) -> Vec<String>;
}

/// Knows no names.
#[cfg(test)]
pub struct NoNames;

#[cfg(test)]
impl Names for NoNames {
    fn names(&self, _: Kind) -> Vec<String> {
        Vec::new()
    }
}
