//! `-c`, `-f`, pipes; and what has no business in them.

use std::fs;

use super::fake::Fake;
use super::twinline;

#[test]
fn a_script_stops_at_its_first_error_with_file_and_line() {
    let fake = Fake::start();
    let script = fake.folder().join("rc.twinline");
    let name = script.display().to_string();
    fs::write(
        &script,
        "# a comment\nshow version json # another\nshov ha\nha clear\n",
    )
    .unwrap();
    let run = |options: &[&str]| twinline(&fake.socket(), "console", options, b"");
    let (code, out, err) = run(&["-f", &name]);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("{") && out.contains("\"pid\": 4711"),
        "{out}"
    );
    let expected =
        format!("{name}:3: \"shov\" is not understood (perhaps \"show\"); accepted: show");
    assert!(
        err.starts_with(&expected) && err.lines().count() == 1,
        "{err}"
    );
    assert!(fake.changes().is_empty(), "line 4 was not carried out");

    let (code, out, _) = run(&["-f", &name, "--keep-going"]);
    assert_eq!(code, 1);
    assert!(out.ends_with("done\n"), "line 4 was: {out}");
    assert_eq!(fake.changes().len(), 1);
}

#[test]
fn commands_of_options_and_of_a_pipe() {
    let fake = Fake::start();
    let run = |options: &[&str], input: &str| {
        twinline(&fake.socket(), "console", options, input.as_bytes())
    };
    let (code, out, err) = run(&["-c", "ha clear", "-c", "nonsense", "-c", "ha clear"], "");
    assert_eq!((code, out.as_str()), (1, "done\n"));
    assert!(err.starts_with("-c 2: "), "{err}");
    let (code, out, err) = run(&[], "ha clear\n\n\nha resume\nquit\nnonsense\n");
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, "done\nstanding for election again\n");
    let (code, _, err) = run(&["-f", "-"], "ha clear\nshow nothing");
    assert_eq!(code, 1);
    assert!(err.starts_with("stdin:2: "), "{err}");
    let (code, _, err) = run(&["-f", "/nowhere"], "");
    assert_eq!(code, 1);
    assert!(
        err.starts_with("twinline: /nowhere cannot be opened"),
        "{err}"
    );
}

#[test]
fn a_refusal_is_another_exit_code_than_an_error() {
    let fake = Fake::start();
    fake.state.lock().unwrap().refuses = Some("no healthy peer".into());
    let run = |options: &[&str]| twinline(&fake.socket(), "console", options, b"");
    let (code, out, err) = run(&["-y", "-c", "ha switchover"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(err, "-c 1: refused: no healthy peer\n");
    let (_, json, _) = run(&["--json", "-c", "ha clear"]);
    assert_eq!(json, "{\"refused\":\"no healthy peer\"}\n");
}

#[test]
fn what_is_destructive_needs_a_word_where_nobody_can_be_asked() {
    let fake = Fake::start();
    for command in [
        "ha switchover",
        "ha suspend",
        "stop",
        "set link-down port lan0",
        "set promisc lan0 off",
        "set bypass wire0 bypass",
        "set bypass mode isolate lan0",
        "rollback 1",
        "set ha max-flaps 3 force",
    ] {
        let (code, _, err) = twinline(&fake.socket(), "console", &[], command.as_bytes());
        assert_eq!(code, 1, "{command}");
        assert!(
            err.contains("asks first") && err.contains("add -y"),
            "{command}: {err}"
        );
    }
    assert!(fake.changes().is_empty());
    for command in [
        "ha switchover -y",
        "set bypass wire0 inline",
        "set promisc lan0 on",
        "start",
    ] {
        let (code, _, err) = twinline(&fake.socket(), "console", &[], command.as_bytes());
        assert_eq!((code, err.as_str()), (0, ""), "{command}");
    }
    assert_eq!(fake.changes().len(), 4);
}

#[test]
fn hostile_bytes_are_errors_and_never_reach_the_terminal() {
    let fake = Fake::start();
    let long = vec![b'x'; 1 << 20];
    let many = "watch ".repeat(2000);
    for (input, said) in [
        (&b"show \xff\xfe ha\n"[..], "stdin:1: not UTF-8 text"),
        (
            b"\x1b[2J\x07\n",
            "stdin:1: \"\\u{1b}[2J\\u{7}\" is not understood",
        ),
        (b"show\0ha\n", "stdin:1: \"show\\0ha\" is not understood"),
        (b"show \"ha\n", "stdin:1: a quote does not end: ha"),
        (&long, "stdin:1: line is longer than 65536 bytes"),
        (many.as_bytes(), "stdin:1: watch repeats"),
        (b"help \x1b[2J\n", "stdin:1: no command begins with"),
        (b"show port info \x1b[2J\n", "stdin:1: no port"),
    ] {
        let (code, out, err) = twinline(&fake.socket(), "console", &[], input);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.starts_with(said), "{said}: {err}");
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!err.contains(control), "{err:?}");
    }
    // a port of that name is shown, and cannot do anything
    let (_, out, _) = twinline(&fake.socket(), "console", &[], b"show port info all");
    assert!(out.contains("ha?[2J0") && !out.contains('\x1b'), "{out}");
}

/// What would go on for ever ends with its reader.
#[test]
fn watch_and_follow_end_where_nobody_reads() {
    let fake = Fake::start();
    for (command, first) in [
        ("watch 0.1 show version json", "{"),
        ("show events follow", "2026-"),
    ] {
        let script = format!(
            "{} console --socket {} -c '{command}' | head -n 1",
            env!("CARGO_BIN_EXE_twinline"),
            fake.socket().display()
        );
        let more = fake.state.clone();
        let teller = std::thread::spawn(move || {
            for _ in 0..20 {
                more.lock().unwrap().events += 1;
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        });
        let mut shell = std::process::Command::new("timeout");
        let out = shell.args(["60", "sh", "-c", &script]).output().unwrap();
        assert!(out.status.success(), "{command}");
        assert!(String::from_utf8(out.stdout).unwrap().starts_with(first));
        teller.join().unwrap();
    }
}
