//! `configure`, from a script.

use std::fs;

use twinline_control::Request;

use super::fake::{Fake, TOML};
use super::twinline;

fn run(fake: &Fake, script: &str) -> (i32, String, String) {
    twinline(&fake.socket(), "console", &[], script.as_bytes())
}

#[test]
fn a_candidate_becomes_a_commit() {
    let fake = Fake::start();
    let (code, out, err) = run(
        &fake,
        "configure\nset ha.max-flaps 3\nset port.lan0.mtu 9000\nshow ha\nshow port.lan0\ndiff\n\
         commit confirmed 5\nconfirm\nsave\nexit\nshow config\n",
    );
    assert_eq!((code, err.as_str()), (0, ""));
    let expected = "[ha]\nmax_flaps = 3\n\
        [[port]]\nname = \"lan0\"\nvdev = \"net_null0\"\nmtu = 9000\n\
        ha.max_flaps: 6 -> 3\n\
        ha.max_flaps: 6 -> 3\nrolled back in 300 s unless confirmed: `confirm`\n\
        done\ndone\n# /etc/twinline/a.toml\n";
    assert!(out.starts_with(expected), "{out}");
    let committed = TOML.replacen("net_null0\"\n", "net_null0\"\nmtu = 9000\n", 1);
    let changes = fake.changes();
    let [
        Request::Commit {
            toml,
            base_unix_ms,
            confirm_within_s,
            force,
        },
        Request::Confirm,
        Request::SaveConfig,
    ] = changes.as_slice()
    else {
        panic!("{changes:?}");
    };
    assert_eq!(toml, &format!("{committed}\n[ha]\nmax_flaps = 3\n"));
    assert_eq!(*base_unix_ms, Some(1_795_410_754_900));
    assert_eq!((*confirm_within_s, *force), (Some(300), false));
}

#[test]
fn times_to_confirm() {
    for (words, seconds) in [
        ("commit", None),
        ("commit confirmed", Some(600)),
        ("commit confirmed 1", Some(60)),
        ("commit confirmed 90s", Some(90)),
        ("commit confirmed 90 s", Some(90)),
        ("com conf 2 -y force", Some(120)),
    ] {
        let fake = Fake::start();
        let (code, _, err) = run(&fake, &format!("configure\nset ha.max_flaps 3\n{words}\n"));
        assert_eq!((code, err.as_str()), (0, ""), "{words}");
        let changes = fake.changes();
        let [
            Request::Commit {
                confirm_within_s, ..
            },
        ] = changes.as_slice()
        else {
            panic!("{words}: {changes:?}");
        };
        assert_eq!(*confirm_within_s, seconds, "{words}");
    }
    let fake = Fake::start();
    let (code, _, err) = run(&fake, "configure\ncommit confirmed 99999\n");
    assert_eq!(code, 1);
    assert!(
        err.contains("minutes, 1 to 1440, or seconds as 90s"),
        "{err}"
    );
}

#[test]
fn nothing_is_committed_that_is_not_valid_or_not_wanted() {
    let fake = Fake::start();
    let (code, _, err) = run(
        &fake,
        "configure\nset port.lan1.vdev net_null0\ndelete link_pair.wire0.wan\ncommit\n",
    );
    assert_eq!(code, 1);
    assert!(
        err.starts_with("stdin:4: the candidate is not valid:\ncandidate:"),
        "{err}"
    );
    assert!(err.lines().count() > 2, "all that is wrong: {err}");
    assert!(fake.changes().is_empty());

    let (code, _, err) = run(&fake, "configure\nset ha.max_flaps 3\n");
    assert_eq!(code, 1);
    assert_eq!(
        err,
        "stdin: end: the candidate has changes that were not committed\n"
    );
    let (code, _, err) = run(&fake, "configure\nset ha.max_flaps 3\nexit\n");
    assert_eq!(code, 1);
    assert!(
        err.contains("they are lost") && err.contains("add -y"),
        "{err}"
    );
    let (code, _, err) = run(&fake, "configure\nset ha.max_flaps 3\ndiscard\nexit\n");
    assert_eq!((code, err.as_str()), (0, ""));

    fake.state.lock().unwrap().warnings = vec!["the role moves\u{7}".into()];
    let (code, _, err) = run(&fake, "configure\nset ha.max_flaps 3\ncommit\n");
    assert_eq!(code, 1);
    assert!(
        err.starts_with("warning: the role moves?\nstdin:3: `commit` asks first"),
        "{err}"
    );
    assert!(fake.changes().is_empty());
    let (code, ..) = run(&fake, "configure\nset ha.max_flaps 3\ncommit -y\n");
    assert_eq!((code, fake.changes().len()), (0, 1));
}

#[test]
fn a_file_becomes_the_candidate() {
    let fake = Fake::start();
    let file = fake.folder().join("new.toml");
    fs::write(&file, format!("# ours\n{TOML}")).unwrap();
    let (code, out, err) = run(
        &fake,
        &format!("configure\nload {}\nshow\nexit -y\n", file.display()),
    );
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("# ours\n{TOML}"));
    fs::write(&file, "a = 1\nb = = 1\n").unwrap();
    let (code, _, err) = run(&fake, &format!("configure\nload {}\n", file.display()));
    assert_eq!(code, 1);
    assert!(err.contains("new.toml: line 2: no TOML"), "{err}");
}

#[test]
fn each_mode_names_the_other() {
    let fake = Fake::start();
    let (_, _, err) = run(&fake, "commit\n");
    assert_eq!(
        err,
        "stdin:1: `commit [force]` is known within `configure`\n"
    );
    let (_, _, err) = run(&fake, "configure\nha clear\n");
    assert_eq!(
        err,
        "stdin:2: `ha clear` is known outside of `configure`: put `run` before it\n"
    );
    let (code, out, _) = run(&fake, "configure\nrun ha clear\nhelp\nrollback 1 -y\n");
    assert_eq!(code, 0);
    assert!(out.starts_with("done\n") && out.contains("discard") && out.ends_with("done\n"));
}
