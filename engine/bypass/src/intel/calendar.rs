//! The card's calendar: seconds since the year began, UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 60 * 60;

const fn days_in(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

/// The second of the year at that many seconds after 1970.
fn second_of_year(since_epoch: u64) -> u32 {
    let mut days = since_epoch / DAY;
    let mut year = 1970;
    while days >= days_in(year) {
        days -= days_in(year);
        year += 1;
    }
    // At most 366 days: 31,622,400 seconds, 25 bits.
    u32::try_from(days * DAY + since_epoch % DAY).unwrap_or(0)
}

/// Now, by the machine's clock; 0 when that stands before 1970.
pub fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| second_of_year(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_a_year() {
        assert_eq!(second_of_year(0), 0);
        assert_eq!(second_of_year(365 * DAY - 1), 31_535_999);
        assert_eq!(second_of_year(365 * DAY), 0);
        // 2024-02-29T12:00:00Z: 59 days and a half.
        assert_eq!(second_of_year(1_709_208_000), 59 * 86_400 + 43_200);
        // 2024-12-31T23:59:59Z: a leap year's last second, and the next one.
        assert_eq!(second_of_year(1_735_689_599), 366 * 86_400 - 1);
        assert_eq!(second_of_year(1_735_689_600), 0);
    }
}
