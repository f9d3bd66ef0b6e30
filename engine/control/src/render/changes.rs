use super::table::{Align::Left, Align::Right, Table, clean, or_dash};
use super::units::{span, time};
use crate::{ChangesStatus, CommitsStatus};

/// What changes, one line each, then what should be known first.
#[must_use]
pub fn changes(status: &ChangesStatus) -> String {
    let mut text = String::new();
    for change in &status.changes {
        let when = match change.applies.as_str() {
            "restart" => " (at the next start)",
            _ => "",
        };
        text.push_str(&format!(
            "{}: {} -> {}{when}\n",
            clean(&change.key),
            clean(&change.old),
            clean(&change.new)
        ));
    }
    if status.changes.is_empty() {
        text.push_str("no change\n");
    }
    for warning in &status.warnings {
        text.push_str(&format!("warning: {}\n", clean(warning)));
    }
    if let Some(seconds) = status.confirm_within_s {
        text.push_str(&format!(
            "rolled back in {seconds} s unless confirmed: `confirm`\n"
        ));
    }
    text
}

/// The configurations that were in force, newest first.
#[must_use]
pub fn commits(status: &CommitsStatus) -> String {
    let mut table = Table::new(&[
        ("N", Right),
        ("SINCE", Left),
        ("BY", Left),
        ("USER", Left),
        ("CHANGE", Left),
    ]);
    for commit in &status.commits {
        table.row(vec![
            commit.number.to_string(),
            time(commit.time_unix_ms),
            or_dash(&commit.by),
            or_dash(&commit.user),
            or_dash(&commit.summary),
        ]);
    }
    let mut text = table.text();
    if let Some(ms) = status.rollback_in_ms {
        text.push_str(&format!(
            "rolled back in {} unless confirmed: `confirm`\n",
            span(ms)
        ));
    }
    if status.unsaved {
        text.push_str("not saved: the configuration file says something else; `save` writes it\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChangeStatus;

    #[test]
    fn changes_are_lines() {
        let change = |key: &str, applies: &str| ChangeStatus {
            key: key.into(),
            old: "50".into(),
            new: "100".into(),
            applies: applies.into(),
        };
        let status = ChangesStatus {
            changes: vec![change("ha.a", "live"), change("ha.b", "restart")],
            warnings: vec!["the peer differs".into()],
            confirm_within_s: Some(60),
        };
        let expected = "ha.a: 50 -> 100\nha.b: 50 -> 100 (at the next start)\n\
            warning: the peer differs\nrolled back in 60 s unless confirmed: `confirm`\n";
        assert_eq!(changes(&status), expected);
        assert_eq!(changes(&ChangesStatus::default()), "no change\n");
    }
}
