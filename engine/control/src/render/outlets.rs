use super::table::{Align::Left, Align::Right, Table, or_dash};
use crate::OutletStatus;

/// Where events go, one line each.
#[must_use]
pub fn outlets(list: &[OutletStatus]) -> String {
    if list.is_empty() {
        return "no outlets: events are in the ring and in the log ([events] of the configuration)\n"
            .into();
    }
    let mut table = Table::new(&[
        ("OUTLET", Left),
        ("STATE", Left),
        ("SENT", Right),
        ("LOST", Right),
        ("WAITING", Right),
        ("RESTARTS", Right),
        ("TARGET", Left),
        ("LAST ERROR", Left),
    ]);
    for outlet in list {
        table.row(vec![
            or_dash(&outlet.name),
            if outlet.failing { "FAILING" } else { "works" }.into(),
            outlet.sent.to_string(),
            outlet.lost.to_string(),
            outlet.waiting.to_string(),
            outlet.restarts.to_string(),
            or_dash(&outlet.target),
            outlet.last_error.clone().unwrap_or_default(),
        ]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_23_each_outlet_is_a_line() {
        let list = [
            OutletStatus {
                name: "file".into(),
                target: "/var/log/e".into(),
                sent: 12,
                ..OutletStatus::default()
            },
            OutletStatus {
                name: "notify".into(),
                target: "/bin/n x".into(),
                sent: 5,
                lost: 7,
                waiting: 1024,
                restarts: 1,
                failing: true,
                last_error: Some("does not read".into()),
            },
        ];
        let expected = "\
OUTLET  STATE    SENT  LOST  WAITING  RESTARTS  TARGET      LAST ERROR
file    works      12     0        0         0  /var/log/e
notify  FAILING     5     7     1024         1  /bin/n x    does not read
";
        assert_eq!(outlets(&list), expected);
    }
}
