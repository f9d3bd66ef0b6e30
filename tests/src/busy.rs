//! Processes that do nothing but keep the cores busy.

use crate::error::Result;
use crate::run::Run;
use std::process::{Child, Command, Stdio};

/// Busy processes of a run; they end, each by its own process id, when this is dropped. They die
/// with the thread that started them as well, however it ends.
#[derive(Debug)]
pub struct Busy<'a> {
    run: &'a Run,
    children: Vec<Child>,
}

impl<'a> Busy<'a> {
    /// Starts `count` shells that loop for ever, at the usual priority and on any core.
    ///
    /// # Errors
    /// When one cannot be started; those before it end.
    pub fn start(run: &'a Run, count: u32) -> Result<Self> {
        let mut busy = Self {
            run,
            children: Vec::new(),
        };
        for _ in 0..count {
            let mut command = Command::new("sh");
            command
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            busy.children.push(run.spawn(&mut command)?);
        }
        Ok(busy)
    }

    /// How many of them still run: one that was killed from outside keeps no core busy.
    pub fn running(&mut self) -> usize {
        let runs = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        self.children
            .iter_mut()
            .filter_map(|child| runs(child).then_some(()))
            .count()
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            // it may have been killed with the run already; waiting ends the zombie in any case
            let _ = child.kill();
            let _ = child.wait();
            self.run.forget(child.id());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::start_time;

    #[test]
    fn all_run_and_all_end_when_dropped() {
        // as root only: a run makes its directory under /run
        let run = Run::begin().unwrap();
        let mut busy = Busy::start(&run, 3).unwrap();
        let pids: Vec<u32> = busy.children.iter().map(Child::id).collect();
        assert_eq!(busy.running(), 3);
        drop(busy);
        assert_eq!(pids.len(), 3);
        assert!(pids.iter().all(|&pid| start_time(pid).is_none()));
    }
}
