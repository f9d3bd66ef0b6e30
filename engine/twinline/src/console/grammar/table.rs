//! The table of commands.

use super::Ask::{Forced, Later, No, Unless, Yes};
use super::Mode::{Configure as C, Console as I, Operate as O};
use super::Section as S;
use super::Token::{Choice, Value, Word as W};
use super::{Ask, Command, Kind as K, Mode, Section, Token, Verb as V};

/// testpmd's words of a card's path, and ours.
const MODES: Token = Choice("mode", &["normal", "bypass", "isolate", "tap"]);
const PATHS: Token = Choice("path", &["inline", "bypass", "disconnect", "tap"]);
const EVENTS: Token = Choice(
    "event",
    &[
        "none",
        "timeout",
        "os_on",
        "os_off",
        "power_on",
        "power_off",
    ],
);
const OUR_EVENTS: Token = Choice(
    "event",
    &["power_on", "power_off", "timeout", "os_on", "os_off"],
);
const ON_OFF: Token = Choice("state", &["on", "off"]);
const SHOW: Token = W("show");
const SET: Token = W("set");
const HA: Token = W("ha");

const HANDS_OVER: &str = "The role moves to the peer.";
const SUSPENDS: &str =
    "This instance hands over and stays out; with nobody to take over, traffic stops.";
const MAY_MOVE: &str = "The change is forced: it may move the role or stop traffic.";
const TAKES_DOWN: &str =
    "The link goes down: traffic through the port stops, and the role may move.";
const HEARS_LESS: &str = "Frames that are not addressed to the port are no longer received.";
const MOVES_CARD: &str =
    "The card leaves the engine's path: traffic is no longer inspected, or stops.";
const GOES_BACK: &str = "An earlier configuration comes into force.";

const fn row(
    section: Section,
    mode: Mode,
    verb: V,
    tokens: &'static [Token],
    help: &'static str,
) -> Command {
    Command {
        tokens,
        verb,
        mode,
        section,
        ask: No,
        force: false,
        help,
    }
}

const fn ask(ask: Ask, force: bool, command: Command) -> Command {
    Command {
        ask,
        force,
        ..command
    }
}

/// Every command, in the order of help.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row(S::Show, O, V::ShowHa, &[SHOW, HA], "Role, why, peers, alarms"),
    row(S::Show, O, V::ShowPeers, &[SHOW, W("peers")], "Peers: how well they are heard, what they say"),
    row(S::Show, O, V::ShowPeers, &[SHOW, W("peers"), Value(K::Peer)], "One of them"),
    row(S::Show, O, V::ShowPaths, &[SHOW, W("paths")], "Each path of heartbeats to each peer"),
    row(S::Show, O, V::ShowLinkPairs, &[SHOW, W("link-pairs")], "Link pairs: both legs, the gate, traffic and drops"),
    row(S::Show, O, V::ShowBandwidth, &[SHOW, W("bandwidth")], "Measured bandwidth beside its minimum"),
    row(S::Show, O, V::ShowFlaps, &[SHOW, W("flaps")], "Flaps, and when they were"),
    row(S::Show, O, V::ShowEvents, &[SHOW, W("events")], "What happened, oldest first"),
    row(S::Show, O, V::ShowEvents, &[SHOW, W("events"), W("last"), Value(K::Count)], "The newest N of them"),
    row(S::Show, O, V::FollowEvents, &[SHOW, W("events"), W("follow")], "The newest, then each as it happens; Ctrl-C ends it"),
    row(S::Show, O, V::ShowOutlets, &[SHOW, W("outlets")], "Where events go beside the ring, and what was lost there"),
    row(S::Show, O, V::ShowPort, &[SHOW, W("port"), Choice("what", &["info", "stats", "xstats", "link"]), Value(K::PortOrAll)],
        "Ports: what they are, what they counted, the driver's own counters, their links"),
    row(S::Show, O, V::ShowPorts, &[SHOW, W("ports")], "All of that but the driver's own counters, of all ports"),
    row(S::Show, O, V::ShowFwdStats, &[SHOW, W("fwd"), W("stats"), W("all")], "What passed through each link pair, and what was dropped"),
    row(S::Show, O, V::ShowLcores, &[SHOW, W("lcores")], "Lcores: busy share, bursts, cycles per packet"),
    row(S::Show, O, V::ShowMempools, &[SHOW, W("mempools")], "Pools of packet buffers"),
    row(S::Show, O, V::ShowVirtualRouters, &[SHOW, W("virtual-routers")], "Virtual routers: states, whom they hear, what they counted"),
    row(S::Show, O, V::ShowInterfaces, &[SHOW, W("interfaces")], "Interfaces of layer 3"),
    row(S::Show, O, V::ShowNeighbours, &[SHOW, W("neighbours")], "Neighbours on all interfaces"),
    row(S::Show, O, V::ShowRoutes, &[SHOW, W("routes")], "Connected and static routes"),
    row(S::Show, O, V::ShowCaptures, &[SHOW, W("captures")], "Captures that run, or ended by themselves"),
    row(S::Show, O, V::ShowVersion, &[SHOW, W("version")], "Version of the engine and of DPDK"),
    row(S::Show, O, V::DumpHeartbeat, &[W("dump"), W("heartbeat")], "The last heartbeats sent and received, field by field"),

    ask(Yes(HANDS_OVER), false, row(S::Ha, O, V::Switchover, &[HA, W("switchover")], "Hand over to the peer in an orderly way")),
    ask(Yes(SUSPENDS), true, row(S::Ha, O, V::Suspend, &[HA, W("suspend")], "Hand over and stay out until resumed; force: even if nobody can take over")),
    row(S::Ha, O, V::Resume, &[HA, W("resume")], "Stand for election again"),
    row(S::Ha, O, V::Clear, &[HA, W("clear")], "Clear the latch, the flap count and the hold of a switch-over"),
    row(S::Ha, O, V::Resume, &[W("start")], "As testpmd: the same as `ha resume`"),
    ask(Yes(SUSPENDS), true, row(S::Ha, O, V::Suspend, &[W("stop")], "As testpmd: the same as `ha suspend`")),
    ask(Forced(MAY_MOVE), true, row(S::Ha, O, V::SetHa, &[SET, HA, Value(K::Setting), Value(K::SettingValue)],
        "Set an HA setting now, as a commit of one change; force: even if it moves the role")),

    row(S::Ports, O, V::ClearPortStats, &[W("clear"), W("port"), W("stats"), Value(K::PortOrAll)], "Count from nothing again"),
    row(S::Ports, O, V::SetLinkUp, &[SET, W("link-up"), W("port"), Value(K::Port)], "Let a port's link up again"),
    ask(Yes(TAKES_DOWN), true, row(S::Ports, O, V::SetLinkDown, &[SET, W("link-down"), W("port"), Value(K::Port)],
        "Take a port's link down; force: even if it costs the role or the traffic")),
    ask(Unless("on", HEARS_LESS), false, row(S::Ports, O, V::SetPromisc, &[SET, W("promisc"), Value(K::Port), ON_OFF],
        "Let a port receive what is not addressed to it, or not")),
    row(S::Ports, O, V::CaptureStart, &[W("capture"), W("start"), Value(K::Port), Value(K::File)],
        "Write a port's frames, both directions, to a new pcapng file on the engine's machine"),
    row(S::Ports, O, V::CaptureStop, &[W("capture"), W("stop")], "End all captures"),
    row(S::Ports, O, V::CaptureStop, &[W("capture"), W("stop"), Value(K::Port)], "End a port's capture"),

    row(S::Bypass, O, V::ShowBypass, &[SHOW, W("bypass")], "Bypass cards: wanted and shown path, watchdog, events"),
    row(S::Bypass, O, V::ShowBypass, &[SHOW, W("bypass"), W("config"), Value(K::PairOrPort)], "As testpmd: one pair's card"),
    ask(Unless("inline", MOVES_CARD), true, row(S::Bypass, O, V::BypassPath, &[SET, W("bypass"), Value(K::Pair), PATHS],
        "Set a card's path until it is set to inline; force: even if it makes a loop or stops the traffic")),
    row(S::Bypass, O, V::BypassEvent, &[SET, W("bypass"), W("event"), Value(K::Pair), OUR_EVENTS, PATHS], "Set the path that an event leads a card to"),
    row(S::Bypass, O, V::BypassWatchdog, &[SET, W("bypass"), W("watchdog"), Value(K::Pair), Value(K::Watchdog)], "Set the period of a card's watchdog"),
    ask(Unless("normal", MOVES_CARD), true, row(S::Bypass, O, V::BypassMode, &[SET, W("bypass"), W("mode"), MODES, Value(K::PairOrPort)],
        "As testpmd: normal is inline, isolate is disconnect")),
    row(S::Bypass, O, V::BypassEventOfPort, &[SET, W("bypass"), W("event"), EVENTS, W("mode"), MODES, Value(K::PairOrPort)],
        "As testpmd: the path that an event leads to"),
    row(S::Bypass, O, V::BypassTimeout, &[SET, W("bypass"), W("timeout"), Value(K::Timeout), Value(K::PairOrPort)], "As testpmd: the watchdog's period"),
    row(S::Bypass, O, V::BypassTimeout, &[SET, W("bypass"), W("timeout"), Value(K::Timeout)], "The same where only one pair has a card"),

    row(S::Configure, O, V::ShowConfig, &[SHOW, W("config")], "The configuration in force"),
    row(S::Configure, O, V::ShowConfigDiff, &[SHOW, W("config"), W("diff"), Value(K::File)], "What a file would change"),
    row(S::Configure, O, V::ShowCommits, &[SHOW, W("commits")], "The configurations that were in force"),
    row(S::Configure, O, V::ShowCommit, &[SHOW, W("commit"), Value(K::CommitNumber)], "One of them"),
    row(S::Configure, O, V::Confirm, &[W("confirm")], "Keep what was committed with a time to confirm it in"),
    ask(Yes(GOES_BACK), true, row(S::Configure, O, V::Rollback, &[W("rollback"), Value(K::RollbackNumber)], "Put an earlier configuration into force again; 1: the one before")),
    row(S::Configure, O, V::Save, &[W("save")], "Write the configuration in force to its file"),
    row(S::Configure, I, V::Configure, &[W("configure")], "Edit a candidate configuration; what follows is known there"),
    row(S::Configure, C, V::EditSet, &[SET, Value(K::Key), Value(K::ConfigValue)], "Set a value of the candidate"),
    row(S::Configure, C, V::EditDelete, &[W("delete"), Value(K::Key)], "Remove a value, a section or an item of the candidate"),
    row(S::Configure, C, V::EditShow, &[SHOW], "The candidate"),
    row(S::Configure, C, V::EditShow, &[SHOW, Value(K::Key)], "A part of it"),
    row(S::Configure, C, V::EditDiff, &[W("diff")], "What a commit would change, and what should be known first"),
    row(S::Configure, C, V::EditLoad, &[W("load"), Value(K::File)], "Take a file as the candidate"),
    ask(Later, true, row(S::Configure, C, V::EditCommit, &[W("commit")], "Put the candidate into force; force: even if it moves the role")),
    ask(Later, true, row(S::Configure, C, V::EditCommitConfirmed, &[W("commit"), W("confirmed")], "The same; it is rolled back in 10 minutes unless confirmed")),
    ask(Later, true, row(S::Configure, C, V::EditCommitConfirmed, &[W("commit"), W("confirmed"), Value(K::ConfirmTime)], "The same, in so many minutes (or seconds, as 90s)")),
    ask(Later, true, row(S::Configure, C, V::EditCommitConfirmed, &[W("commit"), W("confirmed"), Value(K::ConfirmTime), W("s")], "The same, in so many seconds")),
    row(S::Configure, C, V::EditDiscard, &[W("discard")], "Forget the candidate, begin again with what is in force"),
    row(S::Configure, C, V::Run, &[W("run"), Value(K::CommandLine)], "A command from outside of `configure`"),
    ask(Later, false, row(S::Configure, C, V::EditExit, &[W("exit")], "Leave `configure`")),
    ask(Later, false, row(S::Configure, C, V::EditExit, &[W("quit")], "The same")),

    row(S::Console, O, V::Watch, &[W("watch"), Value(K::CommandLine)], "Repeat a command each 2 seconds; Ctrl-C ends it"),
    row(S::Console, O, V::Watch, &[W("watch"), Value(K::WatchSeconds), Value(K::CommandLine)], "Repeat it each so many seconds"),
    row(S::Console, O, V::Help, &[W("help")], "All commands"),
    row(S::Console, O, V::Help, &[W("help"), Value(K::HelpSection)], "The commands of a section, or those that begin with a word"),
    row(S::Console, I, V::Quit, &[W("quit")], "Leave the console; the engine runs on"),
    row(S::Console, I, V::Quit, &[W("exit")], "The same"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_unique_and_complete() {
        for (i, command) in COMMANDS.iter().enumerate() {
            assert!(!command.help.is_empty() && !command.tokens.is_empty());
            let twin = COMMANDS[i + 1..]
                .iter()
                .find(|c| c.usage() == command.usage() && c.mode == command.mode);
            assert!(twin.is_none(), "{}", command.usage());
            let inner = command.tokens.split_last().unwrap().1;
            let rest = inner
                .iter()
                .any(|t| matches!(t, Value(kind) if kind.takes_rest()));
            assert!(!rest, "{}: nothing can follow the rest", command.usage());
        }
    }
}
