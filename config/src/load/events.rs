//! `[events]`: where events go.

use super::{Reader, absolute, small, socket_path};
use crate::read::{Section, a_type};
use crate::types::{Events, Instance, Syslog};
use toml::de::DeValue;

/// The longest word of `events.notify`.
const MAX_WORD: usize = 4096;

impl Reader<'_, '_> {
    pub(super) fn events(&mut self, root: &Section<'_, '_>, instance: &Instance) -> Events {
        let s = root.sub(self.sink, "events");
        let file = s.text(self.sink, "events.file", absolute);
        let max_bytes = s.int(self.sink, "events.file_max_bytes");
        let keep = s.int(self.sink, "events.file_keep");
        let syslog = s.choice(self.sink, "events.syslog");
        let socket = s.text(self.sink, "events.syslog_socket", socket_path);
        let notify = s.list(self.sink, "events.notify", word);
        for (taken, whose) in [
            (&instance.state_file, "instance.state_file"),
            (&instance.control_socket, "instance.control_socket"),
        ] {
            if file.some() == Some(taken) {
                let problem = format!("is also {whose}: two different paths are needed");
                let at = file.at.as_ref();
                self.sink.contradiction("events.file", at, problem);
            }
        }
        if let Some((program, at)) = notify.v.first()
            && let Err(problem) = absolute(program)
        {
            let problem = format!("the program {problem}");
            self.sink.reject("events.notify", Some(at), problem);
        }
        if socket.given() && syslog.ok && matches!(syslog.v, None | Some("off")) {
            let message = "events.syslog is off: nothing is sent there";
            let at = socket.at.as_ref();
            self.sink.warn("events.syslog_socket", at, message);
        }
        Events {
            file: file.v,
            file_max_bytes: small(max_bytes.v),
            file_keep: small(keep.v),
            syslog: match syslog.v {
                Some("syslog") => Syslog::Syslog,
                Some("journald") => Syslog::Journald,
                _ => Syslog::Off,
            },
            syslog_socket: socket.v,
            notify: notify.v.into_iter().map(|(word, _)| word).collect(),
        }
    }
}

fn word(value: &DeValue<'_>) -> Result<String, String> {
    let DeValue::String(text) = value else {
        return Err(format!("must be a string, not {}", a_type(value)));
    };
    if text.contains('\0') {
        return Err("has a NUL character".into());
    }
    if text.len() > MAX_WORD {
        return Err("is too long".into());
    }
    Ok(text.clone().into_owned())
}
