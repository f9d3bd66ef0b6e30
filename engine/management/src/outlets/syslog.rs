//! The system's log: datagrams as `syslog(3)` sends them, or journald's own protocol.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use twinline_control::EventRecord;
use twinline_ha::Severity;

use super::outlet::{Shared, Sink};

/// Who logs, for filters.
const IDENTIFIER: &str = "twinline";
/// The facility `daemon`.
const DAEMON: u8 = 3;
/// Our structured data. 32473 is the enterprise number that RFC 5612 keeps for whoever has none.
const SD_ID: &str = "twinline@32473";
/// Characters of a value at most: a datagram has to fit into a log's buffer (rsyslog: 8 KiB).
const MAX_VALUE: usize = 1024;
/// How long a log that does not read may hold its thread up at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `<PRI>twinline[PID]: text [twinline@32473 field="value" ...]`, as /dev/log takes it.
    Syslog,
    /// `FIELD=value` lines (systemd.io/JOURNAL_NATIVE_PROTOCOL).
    Journald,
}

/// Sends datagrams to a log.
#[derive(Debug)]
pub(super) struct SyslogSink {
    path: PathBuf,
    form: Form,
    socket: Option<UnixDatagram>,
    /// It was open before: the next time counts as opened again.
    opened: bool,
}

impl SyslogSink {
    pub(super) fn new(path: PathBuf, form: Form) -> Self {
        Self {
            path,
            form,
            socket: None,
            opened: false,
        }
    }

    fn open(&mut self, shared: &Shared) -> std::io::Result<UnixDatagram> {
        if let Some(socket) = self.socket.take() {
            return Ok(socket);
        }
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.path)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        if std::mem::replace(&mut self.opened, true) {
            shared.count_restart();
        }
        Ok(socket)
    }
}

impl Sink for SyslogSink {
    fn put(&mut self, record: &EventRecord, shared: &Shared) -> Result<Option<String>, String> {
        let bytes = match self.form {
            Form::Syslog => syslog(record, std::process::id()),
            Form::Journald => journald(record, std::process::id()),
        };
        let path = self.path.display().to_string();
        let socket = self
            .open(shared)
            .map_err(|error| format!("{path} cannot be reached: {error}"))?;
        let sent = match socket.send(&bytes) {
            // A log that was restarted has another socket: at once, that nothing waits for it.
            Err(error) if !is_full(&error) => self.open(shared).and_then(|again| {
                let sent = again.send(&bytes);
                self.socket = Some(again);
                sent
            }),
            other => {
                self.socket = Some(socket);
                other
            }
        };
        match sent {
            Ok(_) => Ok(None),
            Err(error) if is_full(&error) => Err(format!("{path} is not read")),
            Err(error) => {
                self.socket = None;
                Err(format!("{path} does not take events: {error}"))
            }
        }
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Syslog's number of the record's severity; a word that we do not know is a notice.
fn number(record: &EventRecord) -> u8 {
    let of = Severity::ALL
        .iter()
        .find(|s| s.name() == record.severity)
        .unwrap_or(&Severity::Notice);
    of.number()
}

/// The first characters of a value.
fn cut(value: &str) -> &str {
    match value.char_indices().nth(MAX_VALUE) {
        Some((at, _)) => value.get(..at).unwrap_or_default(),
        None => value,
    }
}

/// One datagram for /dev/log. There is no time in it: the log takes its own, and reads ours in
/// local time otherwise.
pub(super) fn syslog(record: &EventRecord, pid: u32) -> Vec<u8> {
    let priority = DAEMON * 8 + number(record);
    let mut text = format!("<{priority}>{IDENTIFIER}[{pid}]: ");
    let line = record.event().line();
    text.extend(cut(&line).chars().map(visible));
    text.push_str(&format!(" [{SD_ID}"));
    for (name, value) in record.fields() {
        // the line above has it
        if name == "detail" || value.is_empty() {
            continue;
        }
        text.push_str(&format!(" {name}=\""));
        for c in cut(&value).chars() {
            if matches!(c, '"' | '\\' | ']') {
                text.push('\\');
            }
            text.push(visible(c));
        }
        text.push('"');
    }
    text.push(']');
    text.into_bytes()
}

/// A control character would break the line, or move a terminal's cursor.
fn visible(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// One datagram for journald.
pub(super) fn journald(record: &EventRecord, pid: u32) -> Vec<u8> {
    let mut out = Vec::new();
    field(&mut out, "MESSAGE", cut(&record.event().line()));
    field(&mut out, "PRIORITY", &number(record).to_string());
    field(&mut out, "SYSLOG_FACILITY", &DAEMON.to_string());
    field(&mut out, "SYSLOG_IDENTIFIER", IDENTIFIER);
    field(&mut out, "SYSLOG_PID", &pid.to_string());
    for (name, value) in record.fields() {
        let name = format!("TWINLINE_{}", name.to_uppercase());
        field(&mut out, &name, cut(&value));
    }
    out
}

/// `NAME=value`, or with a length where the value has lines.
fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend(name.as_bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend((value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend(value.as_bytes());
    out.push(b'\n');
}
