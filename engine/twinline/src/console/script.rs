//! Commands from options, files and pipes.

use std::io::{BufRead, Read};

use twinline_control::render;

use super::candidate::Candidate;
use super::engine::Failure;
use super::session::{Flow, Session};
use crate::output;

/// The longest line of a script, in bytes; a candidate's value is far shorter.
const LINE_BYTES: u64 = 64 << 10;

/// Lines one after the other.
pub struct Script<'a> {
    /// The session that carries them out.
    pub session: &'a mut Session,
    /// Errors do not stop it.
    pub keep_going: bool,
    /// The exit code so far: of the first error.
    pub code: u8,
}

impl Script<'_> {
    /// Carries out the lines of a reader. `false` when there is to be no next one.
    pub fn read(&mut self, mut reader: impl BufRead, name: &str) -> bool {
        let mut number = 0u64;
        loop {
            let mut bytes = Vec::new();
            number += 1;
            let read = (&mut reader)
                .take(LINE_BYTES + 1)
                .read_until(b'\n', &mut bytes);
            match read {
                Ok(0) => return true,
                Ok(_) if bytes.len() as u64 > LINE_BYTES => {
                    // where the next line begins is unknown: it is no use to go on
                    let error = format!("line is longer than {LINE_BYTES} bytes");
                    self.failed(&Failure::Error(error), &format!("{name}:{number}"));
                    return false;
                }
                Ok(_) => {}
                Err(error) => {
                    let error = Failure::Error(format!("cannot be read: {error}"));
                    self.failed(&error, &format!("{name}:{number}"));
                    return false;
                }
            }
            if !self.line(&bytes, &format!("{name}:{number}")) {
                return false;
            }
        }
    }

    /// Carries out one line. `false` when there is to be no next one.
    pub fn line(&mut self, bytes: &[u8], place: &str) -> bool {
        let done = match std::str::from_utf8(bytes) {
            Ok(line) => self.session.line(line.trim_end_matches(['\n', '\r'])),
            Err(_) => Err(Failure::Error("not UTF-8 text".into())),
        };
        match done {
            Ok(Flow::On) => true,
            Ok(Flow::Quit) => false,
            Err(failure) => self.failed(&failure, place),
        }
    }

    /// Says what was not done, and whether it goes on.
    fn failed(&mut self, failure: &Failure, place: &str) -> bool {
        if self.session.json
            && let Failure::Refused(reason) = failure
        {
            // nobody reads standard output: then nobody misses it
            let _ = output::line(&super::refused_json(reason));
        }
        output::complain(&format!("{}: {}", render::clean(place), failure.lines()));
        if self.code == 0 {
            self.code = failure.code();
        }
        self.keep_going
    }

    /// A candidate with changes at the end is a mistake of the script.
    pub fn end(&mut self, name: &str) -> u8 {
        if self
            .session
            .candidate
            .as_ref()
            .is_some_and(Candidate::has_changed)
        {
            let lost = "the candidate has changes that were not committed";
            self.failed(&Failure::Error(lost.into()), &format!("{name}: end"));
        }
        self.code
    }
}
