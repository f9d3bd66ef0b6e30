//! The end of a program that has runs: a signal or a panic at any moment takes all of them down.

use crate::run;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::atomic::{AtomicBool, Ordering};

/// A signal came: the signal thread takes everything down and ends the program.
static SIGNALLED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT, SIGTERM and SIGHUP take every run of this process down and end it with
/// 128 + signal, as shells expect. `program` begins the line that says so.
///
/// # Errors
/// When the handlers cannot be set.
pub fn watch_signals(program: &'static str) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            SIGNALLED.store(true, Ordering::SeqCst);
            eprintln!("{program}: taking everything down");
            run::close_all();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// The release profile aborts on a panic, so drops do not run: the hook cleans.
pub fn clean_on_panic() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        default(info);
        run::close_all();
    }));
}

/// Returns unless a signal came: then the signal thread ends the program, and whatever failed
/// under its hands is not worth a word.
pub fn yield_to_signal() {
    while SIGNALLED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}
