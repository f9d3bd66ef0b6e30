//! The two times that are computed (RFC 9568, section 6.1; RFC 3768, section 6.1).
//!
//! In nanoseconds. Centiseconds, which the wire has, would make every skew 0 at an interval of
//! 10 ms, and all backups would take over at the same moment.

use std::time::Duration;

use twinline_wire::vrrp::{Interval, Version};

use crate::settings::Priority;

/// Skew_Time: the better the priority, the sooner a backup takes over.
///
/// Version 3: `(256 - priority) * Active_Adver_Interval / 256`. Version 2: `(256 - priority) / 256`
/// seconds, whatever the interval is.
#[must_use]
pub fn skew(version: Version, priority: Priority, active_interval: Interval) -> Duration {
    let per_256 = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => active_interval.duration(),
    };
    per_256 * (256 - u32::from(priority.get())) / 256
}

/// Active_Down_Interval: three intervals of the Active Router, and the skew.
#[must_use]
pub fn active_down(version: Version, priority: Priority, active_interval: Interval) -> Duration {
    3 * active_interval.duration() + skew(version, priority, active_interval)
}
