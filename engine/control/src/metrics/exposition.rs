//! Prometheus' text format, version 0.0.4: what Prometheus scrapes and `promtool check metrics`
//! reads. (The crates that write it want metrics of their own, which count; ours are counted
//! elsewhere and read as a whole.)

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::figures::Histogram;

/// What a family of metrics is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Counters as they were shown last, so that none goes back within a boot: a driver's are set to
/// zero by `clear port stats`, a peer's by its restart.
#[derive(Debug, Default)]
pub(super) struct Ratchet(HashMap<String, Shown>);

#[derive(Debug, Default, Clone, Copy)]
struct Shown {
    /// What was counted when it was read last.
    read: u64,
    /// What was counted before it went back.
    before: u64,
}

impl Ratchet {
    fn pass(&mut self, series: &str, read: u64) -> u64 {
        let Some(shown) = self.0.get_mut(series) else {
            let shown = Shown { read, before: 0 };
            self.0.insert(series.to_owned(), shown);
            return read;
        };
        if read < shown.read {
            shown.before = shown.before.saturating_add(shown.read);
        }
        shown.read = read;
        shown.before.saturating_add(read)
    }
}

/// A text that grows family by family.
#[derive(Debug)]
pub(super) struct Exposition<'r> {
    text: String,
    ratchet: &'r mut Ratchet,
}

impl<'r> Exposition<'r> {
    pub(super) fn new(ratchet: &'r mut Ratchet) -> Self {
        Exposition {
            text: String::with_capacity(32 << 10),
            ratchet,
        }
    }

    /// Begins a family: its samples follow. A family without any is named all the same.
    pub(super) fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_, 'r> {
        let word = kind.word();
        // Writing to a String does not fail; the same below.
        let _ = writeln!(self.text, "# HELP twinline_{name} {}", help_text(help));
        let _ = writeln!(self.text, "# TYPE twinline_{name} {word}");
        Family {
            out: self,
            name,
            kind,
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A family that samples are added to.
#[derive(Debug)]
pub(super) struct Family<'e, 'r> {
    out: &'e mut Exposition<'r>,
    name: &'static str,
    kind: Kind,
}

impl Family<'_, '_> {
    /// A whole number; a counter's passes the ratchet.
    pub(super) fn count(&mut self, labels: &[(&str, &str)], value: u64) -> &mut Self {
        let series = format!("twinline_{}{}", self.name, in_braces(labels, None));
        let value = match self.kind {
            Kind::Counter => self.out.ratchet.pass(&series, value),
            Kind::Gauge | Kind::Histogram => value,
        };
        let _ = writeln!(self.out.text, "{series} {value}");
        self
    }

    /// 1 for yes.
    pub(super) fn flag(&mut self, labels: &[(&str, &str)], value: bool) -> &mut Self {
        self.count(labels, u64::from(value))
    }

    /// Any number; for gauges.
    pub(super) fn value(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        let labels = in_braces(labels, None);
        let _ = writeln!(self.out.text, "twinline_{}{labels} {value}", self.name);
        self
    }

    /// A distribution.
    pub(super) fn histogram(&mut self, labels: &[(&str, &str)], of: &Histogram) -> &mut Self {
        let name = self.name;
        let text = &mut self.out.text;
        for (bound, count) in &of.buckets {
            let bound = bound.to_string();
            let with = in_braces(labels, Some(("le", &bound)));
            let _ = writeln!(text, "twinline_{name}_bucket{with} {count}");
        }
        let with = in_braces(labels, Some(("le", "+Inf")));
        let without = in_braces(labels, None);
        let (count, sum) = (of.count, of.sum_seconds);
        let _ = writeln!(text, "twinline_{name}_bucket{with} {count}");
        let _ = writeln!(text, "twinline_{name}_sum{without} {sum}");
        let _ = writeln!(text, "twinline_{name}_count{without} {count}");
        self
    }
}

fn in_braces(labels: &[(&str, &str)], last: Option<(&str, &str)>) -> String {
    let all = labels.iter().copied().chain(last);
    let inner: Vec<String> = all
        .map(|(name, value)| format!("{name}=\"{}\"", label_value(value)))
        .collect();
    if inner.is_empty() {
        return String::new();
    }
    format!("{{{}}}", inner.join(","))
}

fn label_value(text: &str) -> String {
    help_text(text).replace('"', "\\\"")
}

fn help_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_written_as_prometheus_reads_it() {
        let mut ratchet = Ratchet::default();
        let mut out = Exposition::new(&mut ratchet);
        out.family(Kind::Counter, "a_total", "Of \\ and\nmore.")
            .count(&[("port", "a\"b\\c\nd")], 7)
            .count(&[], u64::MAX);
        out.family(Kind::Gauge, "ratio", "A share.")
            .value(&[("lcore", "1")], 0.25)
            .flag(&[], true);
        out.family(Kind::Gauge, "none", "Nothing.");
        let of = Histogram {
            buckets: vec![(0.0001, 1), (2.5, 3)],
            count: 4,
            sum_seconds: 7.5,
        };
        out.family(Kind::Histogram, "t_seconds", "Times.")
            .histogram(&[("peer", "2")], &of);
        assert_eq!(
            out.finish(),
            "# HELP twinline_a_total Of \\\\ and\\nmore.\n\
             # TYPE twinline_a_total counter\n\
             twinline_a_total{port=\"a\\\"b\\\\c\\nd\"} 7\n\
             twinline_a_total 18446744073709551615\n\
             # HELP twinline_ratio A share.\n\
             # TYPE twinline_ratio gauge\n\
             twinline_ratio{lcore=\"1\"} 0.25\n\
             twinline_ratio 1\n\
             # HELP twinline_none Nothing.\n\
             # TYPE twinline_none gauge\n\
             # HELP twinline_t_seconds Times.\n\
             # TYPE twinline_t_seconds histogram\n\
             twinline_t_seconds_bucket{peer=\"2\",le=\"0.0001\"} 1\n\
             twinline_t_seconds_bucket{peer=\"2\",le=\"2.5\"} 3\n\
             twinline_t_seconds_bucket{peer=\"2\",le=\"+Inf\"} 4\n\
             twinline_t_seconds_sum{peer=\"2\"} 7.5\n\
             twinline_t_seconds_count{peer=\"2\"} 4\n"
        );
    }

    #[test]
    fn a_counter_never_goes_back_and_a_gauge_may() {
        let mut ratchet = Ratchet::default();
        let mut shown = Vec::new();
        for read in [5, 9, 2, 2, 4, 0, 1] {
            let mut out = Exposition::new(&mut ratchet);
            out.family(Kind::Counter, "c_total", "C.").count(&[], read);
            out.family(Kind::Gauge, "g", "G.").count(&[], read);
            let text = out.finish();
            let of = |name: &str| -> u64 {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap().trim().parse().unwrap()
            };
            assert_eq!(of("twinline_g "), read);
            shown.push(of("twinline_c_total "));
        }
        assert_eq!(shown, [5, 9, 11, 11, 13, 13, 14]);
    }
}
