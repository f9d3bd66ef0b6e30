//! Tests with real processes on a machine that others share.

use crate::stall::StallMeter;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

/// Two intervals of 50 ms: a machine that holds a thread for longer makes health itself.
const UNFAIR_MS: f64 = 100.0;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a test, alone in its program. One that fails while the machine itself held a thread for
/// longer than 100 ms proves nothing, and is run again, three times at most; it says so.
pub fn on_a_fair_machine(test: fn()) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for left in (0..3).rev() {
        let meter = StallMeter::start(&[0, 1]);
        let result = catch_unwind(test);
        let stall_ms = meter.finish();
        match result {
            Ok(()) => return,
            Err(_) if stall_ms > UNFAIR_MS && left > 0 => {
                println!("run again: the machine held a thread for {stall_ms:.0} ms");
            }
            Err(panic) => resume_unwind(panic),
        }
    }
}
