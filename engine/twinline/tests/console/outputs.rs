//! What each command prints, and what it tells the engine to do: outputs.txt, each command after a
//! `>`, each request that changes something after a `~`, the exit code after a `=`.

use std::fmt::Write as _;

use super::fake::{Fake, TOML};
use super::twinline;

const EXPECTED: &str = include_str!("outputs.txt");

#[test]
fn each_command_has_its_output() {
    let fake = Fake::start();
    let candidate = fake.folder().join("new.toml");
    std::fs::write(&candidate, TOML).unwrap();
    let folder = fake.folder().display().to_string();
    let mut actual = String::new();
    for line in EXPECTED.lines().filter_map(|line| line.strip_prefix("> ")) {
        // each begins with the same engine
        fake.state.lock().unwrap().role = "ACTIVE".into();
        let real = line.replace("/FOLDER", &folder);
        let (code, out, err) = twinline(&fake.socket(), "console", &["-y", "-c", &real], b"");
        let mut text = format!("{out}{err}").replace(&folder, "/FOLDER");
        for change in fake.changes() {
            writeln!(text, "~ {}", serde_json::to_string(&change).unwrap()).unwrap();
        }
        writeln!(actual, "> {line}\n{text}= {code}\n").unwrap();
    }
    if actual != EXPECTED {
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("outputs.txt");
        std::fs::write(&file, &actual).unwrap();
        let differs = actual.lines().zip(EXPECTED.lines()).find(|(a, e)| a != e);
        panic!(
            "the outputs are in {}; the first line that differs, and what was expected: {differs:?}",
            file.display()
        );
    }
}

/// `ctl` prints the same, whatever the form.
#[test]
fn ctl_speaks_the_same_grammar() {
    let fake = Fake::start();
    let ctl = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        twinline(&fake.socket(), "ctl", &words, b"")
    };
    let (_, expected, _) = twinline(&fake.socket(), "console", &["-c", "show ha"], b"");
    assert_eq!(ctl("show ha"), (0, expected.clone(), String::new()));
    assert_eq!(ctl("sh ha"), (0, expected, String::new()));
    let (code, json, _) = ctl("--json show ha");
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["role"], "ACTIVE");
    let (code, events, _) = ctl("show events --last 1 --json");
    let events: serde_json::Value = serde_json::from_str(&events).unwrap();
    assert_eq!((code, events.as_array().unwrap().len()), (0, 1));

    fake.changes();
    let suspended = "handing over to 2\nnode-a: ACTIVE -> SUSPENDED (primary_at_start)\n";
    assert_eq!(
        ctl("ha suspend --force"),
        (0, suspended.into(), String::new())
    );
    assert_eq!(ctl("set bypass event wire power_off bypass").0, 0);
    assert_eq!(ctl("set bypass wire bypass --force").0, 0);
    assert_eq!(ctl("set bypass watchdog wire 5").0, 0);
    let asked = serde_json::to_string(&fake.changes()).unwrap();
    assert_eq!(
        asked,
        "[{\"cmd\":\"ha_suspend\",\"force\":true},\
         {\"cmd\":\"set_bypass_event\",\"pair\":\"wire\",\"event\":\"power_off\",\"path\":\"bypass\"},\
         {\"cmd\":\"set_bypass\",\"pair\":\"wire\",\"path\":\"bypass\",\"force\":true},\
         {\"cmd\":\"set_bypass_watchdog\",\"pair\":\"wire\",\"period_ms\":5000}]"
    );
    for wrong in [
        "show nothing",
        "set bypass watchdog w -1",
        "ha clear --force",
        "configure",
    ] {
        let (code, out, err) = ctl(wrong);
        assert_eq!((code, out.as_str()), (1, ""), "{wrong}: {err}");
        assert!(
            err.starts_with("twinline: ") && err.lines().count() == 1,
            "{err}"
        );
    }

    fake.state.lock().unwrap().refuses = Some("instance 2's key\u{1b} differs".into());
    let refused = "twinline: refused: instance 2's key? differs\n";
    assert_eq!(ctl("ha clear"), (2, String::new(), refused.into()));
    let (code, json, _) = ctl("--json ha clear");
    assert_eq!(
        (code, json.as_str()),
        (2, "{\"refused\":\"instance 2's key? differs\"}\n")
    );
}

#[test]
fn nobody_there_is_said() {
    let folder = tempfile::TempDir::new().unwrap();
    let socket = folder.path().join("none.sock");
    for (command, options) in [("ctl", ["show", "ha"]), ("console", ["-c", "show ha"])] {
        let (code, out, err) = twinline(&socket, command, &options, b"");
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(
            err.contains("no engine listens on") && err.lines().count() == 1,
            "{err}"
        );
    }
}
