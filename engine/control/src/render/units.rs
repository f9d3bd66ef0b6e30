/// A span of time from milliseconds, as precise as one cares to read.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Milliseconds with as many decimals as they have, at most three.
pub(super) fn millis(ms: f64) -> String {
    let text = format!("{ms:.3}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    format!("{short} ms")
}

/// Microseconds.
pub(super) fn micros(us: u64) -> String {
    if us < 1000 {
        format!("{us} us")
    } else {
        format!("{}.{} ms", us / 1000, us % 1000 / 100)
    }
}

/// Bits per second, in decimal steps as links are sold.
pub(super) fn bit_rate(bps: u64) -> String {
    scaled(bps, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"])
}

/// Bytes, in decimal steps.
pub(super) fn bytes(count: u64) -> String {
    scaled(count, &["B", "kB", "MB", "GB", "TB"])
}

fn scaled(value: u64, units: &[&str]) -> String {
    let mut step = 1u64;
    let mut names = units.iter().peekable();
    while let Some(unit) = names.next() {
        if value / step < 1000 || names.peek().is_none() {
            if step == 1 {
                return format!("{value} {unit}");
            }
            let hundredths = u128::from(value) * 100 / u128::from(step);
            return format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100);
        }
        step *= 1000;
    }
    value.to_string()
}

/// UTC as `2026-11-23 05:12:34.567`, from milliseconds since 1970.
#[must_use]
pub fn time(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute) = (second / 3600, second % 3600 / 60);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}.{ms:03}",
        second % 60
    )
}

/// The same as RFC 3339 has it: `2026-11-23T05:12:34.567Z`.
pub(super) fn rfc3339(unix_ms: u64) -> String {
    let mut text = time(unix_ms).replacen(' ', "T", 1);
    text.push('Z');
    text
}

/// Year, month and day of a day since 1970 (H. Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`): years are counted from March, so that the leap day is last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (59_999, "59.9 s"),
            (60_000, "1 min 0 s"),
            (3_599_999, "59 min 59 s"),
            (3_600_000, "1 h 0 min"),
            (86_400_000, "1 d 0 h"),
            (u64::MAX, "213503982334 d 14 h"),
        ] {
            assert_eq!(span(ms), text);
        }
        assert_eq!(
            (millis(50.0), millis(0.25)),
            ("50 ms".into(), "0.25 ms".into())
        );
        assert_eq!(
            (millis(0.0), millis(12.3456)),
            ("0 ms".into(), "12.346 ms".into())
        );
        assert_eq!(
            (micros(999), micros(12_345)),
            ("999 us".into(), "12.3 ms".into())
        );
    }

    #[test]
    fn rates_and_sizes() {
        assert_eq!(bit_rate(0), "0 bit/s");
        assert_eq!(bit_rate(999), "999 bit/s");
        assert_eq!(bit_rate(1024), "1.02 kbit/s");
        assert_eq!(bit_rate(1_000_000_000), "1.00 Gbit/s");
        assert_eq!(bit_rate(999_999_999), "999.99 Mbit/s");
        assert_eq!(bit_rate(u64::MAX), "18446744.07 Tbit/s");
        assert_eq!(bytes(1_500), "1.50 kB");
    }

    /// Against `date -u -d @SECONDS`.
    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00.000"),
            (951_782_399, "2000-02-28 23:59:59.000"),
            (951_782_400, "2000-02-29 00:00:00.000"),
            (951_868_800, "2000-03-01 00:00:00.000"),
            (1_795_410_754, "2026-11-23 05:12:34.000"),
            (4_107_542_400, "2100-03-01 00:00:00.000"),
        ] {
            assert_eq!(time(seconds * 1000), text);
        }
        assert!(time(u64::MAX).starts_with("584556019-04-03"));
    }
}
