//! Kinds of values.

use super::Section;

/// The longest watchdog of any card, in seconds.
const LONGEST_WATCHDOG_S: f64 = 3276.8;
/// The longest time to confirm a commit in, in seconds.
const LONGEST_CONFIRM_S: u64 = 86_400;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A port's name, or its index.
    Port,
    /// The same, or `all`.
    PortOrAll,
    /// A link pair's name.
    Pair,
    /// A link pair's name, or the name or index of one of its ports.
    PairOrPort,
    /// A peer's id.
    Peer,
    /// The name of a setting of `[ha]`.
    Setting,
    /// Its value.
    SettingValue,
    /// A dotted key of the configuration.
    Key,
    /// The rest of the line: a value of the configuration.
    ConfigValue,
    /// A file.
    File,
    /// How many events.
    Count,
    /// The number of a commit; 0 is the one in force.
    CommitNumber,
    /// The number of a commit before the one in force.
    RollbackNumber,
    /// For how long one may confirm: minutes, or `90s`.
    ConfirmTime,
    /// Seconds between two looks.
    WatchSeconds,
    /// A watchdog's period in seconds, or `off`.
    Watchdog,
    /// The same in testpmd's form.
    Timeout,
    /// A part of help.
    HelpSection,
    /// The rest of the line: another command.
    CommandLine,
}

impl Kind {
    /// As help writes it.
    pub fn placeholder(self) -> &'static str {
        match self {
            Kind::Port => "PORT",
            Kind::PortOrAll => "all|PORT",
            Kind::Pair => "PAIR",
            Kind::PairOrPort => "PAIR|PORT",
            Kind::Peer => "PEER",
            Kind::Setting => "SETTING",
            Kind::SettingValue | Kind::ConfigValue => "VALUE",
            Kind::Key => "KEY",
            Kind::File => "FILE",
            Kind::Count | Kind::CommitNumber | Kind::RollbackNumber => "N",
            Kind::ConfirmTime => "MINUTES",
            Kind::WatchSeconds => "SECONDS",
            Kind::Watchdog => "SECONDS|off",
            Kind::Timeout => "0|1.5|2|3|4|8|16|32",
            Kind::HelpSection => "SECTION",
            Kind::CommandLine => "COMMAND",
        }
    }

    /// What is accepted, in words.
    pub fn accepted(self) -> &'static str {
        match self {
            Kind::Port => "a port's name, or its number in `show ports` from 0",
            Kind::PortOrAll => "all, or a port's name, or its number in `show ports` from 0",
            Kind::Pair => "a link pair's name",
            Kind::PairOrPort => "a link pair's name, or a port of it",
            Kind::Peer => "a peer's id, 1 to 65535",
            Kind::Setting => "a setting of [ha], as peer-check-interval",
            Kind::SettingValue => "its value",
            Kind::Key => "a dotted key, as ha.max_flaps or port.lan0.mtu",
            Kind::ConfigValue => "a value as TOML writes it; a bare word is a string",
            Kind::File => "a file",
            Kind::Count => "a number, 1 to 4294967295",
            Kind::CommitNumber => "a number of `show commits`, 0 is the one in force",
            Kind::RollbackNumber => "a number of `show commits`, from 1",
            Kind::ConfirmTime => "minutes, 1 to 1440, or seconds as 90s",
            Kind::WatchSeconds => "seconds, 0.1 to 3600",
            Kind::Watchdog | Kind::Timeout => "seconds, 0.1 to 3276.8, or off or 0",
            Kind::HelpSection => "a section of help, or a command's first words",
            Kind::CommandLine => "a command",
        }
    }

    /// The whole rest of the line is the value.
    pub fn takes_rest(self) -> bool {
        matches!(self, Kind::ConfigValue | Kind::CommandLine)
    }

    /// Whether `text` can be one. Names are not looked up: the engine knows them better.
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Kind::Port
            | Kind::PortOrAll
            | Kind::Pair
            | Kind::PairOrPort
            | Kind::Setting
            | Kind::SettingValue
            | Kind::Key
            | Kind::ConfigValue
            | Kind::File
            | Kind::HelpSection
            | Kind::CommandLine => !text.is_empty(),
            Kind::Peer => text.parse().is_ok_and(|id: u16| id > 0),
            Kind::Count => text.parse().is_ok_and(|n: u32| n > 0),
            Kind::CommitNumber => text.parse::<u32>().is_ok(),
            Kind::RollbackNumber => text.parse().is_ok_and(|n: u32| n > 0),
            Kind::ConfirmTime => confirm_seconds(text).is_some(),
            Kind::WatchSeconds => watch_seconds(text).is_some(),
            Kind::Watchdog | Kind::Timeout => watchdog_ms(text).is_some(),
        }
    }

    /// Values that are known without an engine, for completion.
    pub fn known(self) -> Vec<String> {
        let words: Vec<&str> = match self {
            Kind::PortOrAll => vec!["all"],
            Kind::Watchdog => vec!["off"],
            Kind::Timeout => vec!["0", "1.5", "2", "3", "4", "8", "16", "32"],
            Kind::HelpSection => Section::ALL.iter().map(|s| s.word()).collect(),
            _ => Vec::new(),
        };
        words.into_iter().map(str::to_owned).collect()
    }
}

/// Minutes as on Junos, or seconds with an `s`; in seconds.
pub fn confirm_seconds(text: &str) -> Option<u64> {
    let seconds = match text.strip_suffix('s') {
        Some(seconds) => seconds.parse().ok()?,
        None => text.parse::<u64>().ok()?.checked_mul(60)?,
    };
    (1..=LONGEST_CONFIRM_S)
        .contains(&seconds)
        .then_some(seconds)
}

/// Seconds between two looks.
pub fn watch_seconds(text: &str) -> Option<f64> {
    let seconds = text.parse().ok()?;
    (0.1..=3600.0).contains(&seconds).then_some(seconds)
}

/// Seconds, as an operator writes them, in milliseconds; 0 is off.
pub fn watchdog_ms(text: &str) -> Option<u64> {
    if text == "off" {
        return Some(0);
    }
    let seconds: f64 = text.parse().ok()?;
    (0.0..=LONGEST_WATCHDOG_S)
        .contains(&seconds)
        .then(|| (seconds * 1000.0).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(confirm_seconds("10"), Some(600));
        assert_eq!(confirm_seconds("90s"), Some(90));
        for wrong in ["0", "1441", "-1", "s", "", "1.5", "99999999999999999999"] {
            assert_eq!(confirm_seconds(wrong), None, "{wrong}");
        }
        assert_eq!(watchdog_ms("1.5"), Some(1500));
        assert_eq!(watchdog_ms("off"), Some(0));
        for wrong in ["-1", "1e9", "NaN", "inf", ""] {
            assert_eq!(watchdog_ms(wrong), None, "{wrong}");
            assert_eq!(watch_seconds(wrong), None, "{wrong}");
        }
    }
}
