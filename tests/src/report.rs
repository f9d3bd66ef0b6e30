//! Results for people (a table) and for machines ([`INLINE`], [`ROUTED`]).

use crate::error::{LabError, Result};
use crate::judge::SceneResult;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The file of the inline lab's results.
pub const INLINE: &str = "results.json";
/// The file of the routers' results.
pub const ROUTED: &str = "l3.json";

/// Writes the results as a JSON array, one object a scene; gives the file.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn write(directory: &Path, file: &str, results: &[SceneResult]) -> Result<PathBuf> {
    let path = directory.join(file);
    let said = || path.display().to_string();
    fs::create_dir_all(directory).map_err(LabError::io(said()))?;
    let text = serde_json::to_string_pretty(results)
        .map_err(|e| LabError::io(said())(std::io::Error::other(e)))?;
    // a reader never sees half a file
    let half = path.with_extension("json.new");
    fs::write(&half, text + "\n").map_err(LabError::io(said()))?;
    fs::rename(&half, &path).map_err(LabError::io(said()))?;
    Ok(path)
}

/// The heading of the table.
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<11} {:>9} {:>8} {:>7} {:>5} {:>8} {:>10}  {:<5} {}",
        "scene", "outage ms", "allowed", "probes", "lost", "doubled", "TCP stall", "loop", "result"
    )
}

/// One scene: the row, roles and reasons of both sides, faults and notes.
#[must_use]
pub fn scene(result: &SceneResult, colour: bool) -> String {
    let paint = |text: &str, code: &str| {
        if colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let verdict = if result.ok {
        paint("ok", "32")
    } else {
        paint("NOT OK", "31;1")
    };
    let mut out = format!(
        "{:<11} {:>9.1} {:>8} {:>7} {:>5} {:>8} {:>7.0} ms  {:<5} {verdict}\n",
        result.scene,
        result.outage_ms,
        if result.allowed_ms.is_finite() {
            format!("{:.0}", result.allowed_ms)
        } else {
            "-".into()
        },
        result.probes_sent,
        result.lost,
        result.doubled,
        result.tcp.stall_ms,
        match &result.broadcast {
            broadcast if broadcast.ok => "none",
            broadcast if broadcast.sent == 0 => "-",
            _ => "LOOP",
        },
    );
    // writing into a String cannot fail
    let _ = writeln!(out, "    {}", paint(&result.rule, "2"));
    for (side, role) in &result.roles {
        let because = |reason: &str| {
            if reason.is_empty() {
                String::new()
            } else {
                format!(" ({reason})")
            }
        };
        let _ = writeln!(
            out,
            "    {}: {}{} -> {}{}",
            side.to_uppercase(),
            role.before,
            because(&role.before_reason),
            role.after,
            because(&role.after_reason)
        );
    }
    for fault in &result.faults {
        let _ = writeln!(out, "    {} {fault}", paint("fault:", "31"));
    }
    for note in &result.notes {
        let _ = writeln!(out, "    note: {note}");
    }
    if !result.ok {
        for event in &result.events {
            let _ = writeln!(out, "    event: {event}");
        }
    }
    out
}

/// The last line: how many of how many scenes kept to their rules.
#[must_use]
pub fn summary(results: &[SceneResult], path: &Path) -> String {
    let good = results.iter().filter(|r| r.ok).count();
    format!(
        "{good} of {} scenes ok; all figures: {}",
        results.len(),
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Measured, Rule, judge};

    #[test]
    fn a_failed_scene_says_why_and_json_has_the_fields() {
        let result = judge("kill", Rule::Orderly, 50, 5, Measured::default());
        assert!(!result.ok);
        let text = scene(&result, false);
        assert!(text.contains("NOT OK") && text.contains("fault:"), "{text}");
        assert!(!text.contains('\x1b'));
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), INLINE, &[result]).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        for key in [
            "scene",
            "interval_ms",
            "threshold",
            "outage_ms",
            "allowed_ms",
            "probes_sent",
            "lost",
            "doubled",
            "roles",
            "ok",
        ] {
            assert!(json[0].get(key).is_some(), "{key}");
        }
    }
}
