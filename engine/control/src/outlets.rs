//! Events as they leave the engine (rule 23), and how their outlets are.

use serde::{Deserialize, Serialize};

use crate::status::Event;

/// One line of an outlet: an event, and whose it is. docs/events.md and docs/event.schema.json say
/// what each field may be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventRecord {
    /// [`EventRecord::SCHEMA`].
    pub schema: u32,
    /// Counts all events of this boot; in a line of kind `lost` the last lost one.
    pub seq: u64,
    /// The instance's boot id, 16 hexadecimal digits.
    pub boot: String,
    /// When, in milliseconds since 1970 (UTC).
    pub time_unix_ms: u64,
    /// The same as RFC 3339 has it, in UTC.
    pub time: String,
    /// The instance's name.
    pub instance: String,
    /// Its id in the stack.
    pub instance_id: u16,
    /// The stack's name.
    pub stack: String,
    /// What kind of thing it is about: a word of a closed list.
    pub kind: String,
    /// `info`, `notice`, `warning`, `err`, `crit` or `alert`.
    pub severity: String,
    /// What changed, in words.
    pub what: String,
    /// What it was; empty where nothing was before.
    pub from: String,
    /// What it is now.
    pub to: String,
    /// Why: a word of the closed list of reasons.
    pub why: String,
    /// More, where there is more to say.
    pub detail: String,
    /// The peer's id, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<u16>,
    /// The link pair's name, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// The port's name, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The virtual router's name, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// The alarm's name, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
    /// In a line of kind `lost`: how many events this outlet did not get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
}

impl EventRecord {
    /// The version of the schema: raised when a field goes or changes its meaning, not when one
    /// comes.
    pub const SCHEMA: u32 = 1;

    /// Every field that the line of JSON has, by name, as text.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("schema", self.schema.to_string()),
            ("seq", self.seq.to_string()),
            ("boot", self.boot.clone()),
            ("time_unix_ms", self.time_unix_ms.to_string()),
            ("time", self.time.clone()),
            ("instance", self.instance.clone()),
            ("instance_id", self.instance_id.to_string()),
            ("stack", self.stack.clone()),
            ("kind", self.kind.clone()),
            ("severity", self.severity.clone()),
            ("what", self.what.clone()),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("why", self.why.clone()),
            ("detail", self.detail.clone()),
        ];
        let optional = [
            ("peer", self.peer.map(|id| id.to_string())),
            ("pair", self.pair.clone()),
            ("port", self.port.clone()),
            ("router", self.router.clone()),
            ("alarm", self.alarm.clone()),
            ("lost", self.lost.map(|count| count.to_string())),
        ];
        let there = optional.into_iter();
        fields.extend(there.filter_map(|(name, value)| Some((name, value?))));
        fields
    }

    /// As `show events` has it.
    #[must_use]
    pub fn event(&self) -> Event {
        Event {
            seq: self.seq,
            time_unix_ms: self.time_unix_ms,
            what: self.what.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            why: self.why.clone(),
            detail: self.detail.clone(),
        }
    }
}

/// An outlet of events: where they go beside the ring.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OutletStatus {
    /// `file`, `syslog`, `journald` or `notify`.
    pub name: String,
    /// The file, the socket or the program.
    pub target: String,
    /// Events that it took since it was set up.
    pub sent: u64,
    /// Events that it did not get: it was too slow, or not there.
    pub lost: u64,
    /// Events that wait for it.
    pub waiting: u64,
    /// Programs started again (`notify`), files turned over (`file`), sockets opened again.
    pub restarts: u64,
    /// It does not work now.
    pub failing: bool,
    /// What went wrong last; it may be over.
    pub last_error: Option<String>,
}

impl Event {
    /// It in one line, as the log has it: `role PASSIVE -> ACTIVE (peer_unhealthy): detail`.
    #[must_use]
    pub fn line(&self) -> String {
        let arrow = match (self.from.as_str(), self.to.as_str()) {
            ("", "") => String::new(),
            ("", to) => format!(" {to}"),
            (from, to) => format!(" {from} -> {to}"),
        };
        let colon = if self.detail.is_empty() { "" } else { ": " };
        format!("{}{arrow} ({}){colon}{}", self.what, self.why, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_line_in_its_order() {
        let all = EventRecord {
            peer: Some(2),
            pair: Some("p".into()),
            port: Some("l".into()),
            router: Some("r".into()),
            alarm: Some("a".into()),
            lost: Some(3),
            ..EventRecord::default()
        };
        for record in [all, EventRecord::default()] {
            let line = serde_json::to_string(&record).unwrap();
            let mut at = 0;
            for (name, _) in record.fields() {
                let key = format!("\"{name}\":");
                at += line[at..]
                    .find(&key)
                    .unwrap_or_else(|| panic!("{name}: {line}"));
            }
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value.as_object().unwrap().len(), record.fields().len());
        }
    }
}
