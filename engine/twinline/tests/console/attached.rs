//! `twinline run --interactive`: a real engine, without NICs and hugepages, and its console in one
//! terminal.

use std::fs;
use std::process::Command;

use super::pty::Pty;
use super::twinline;

#[test]
fn engine_and_console_share_a_terminal() {
    let home = tempfile::TempDir::new().unwrap();
    let config = home.path().join("a.toml");
    let folder = home.path().display();
    let id = std::process::id();
    let toml = format!(
        "[instance]\nname = \"inter-a\"\nid = 1\nstack = \"edge\"\n\
         control_socket = \"{folder}/a.sock\"\nstate_file = \"{folder}/a.state\"\n\
         [eal]\nhuge = false\nmemory_mb = 64\ntelemetry = false\nfile_prefix = \"console-{id}\"\n\
         [[port]]\nname = \"lan0\"\nvdev = \"net_null0\"\n\
         [[port]]\nname = \"wan0\"\nvdev = \"net_null1\"\n\
         [[link_pair]]\nname = \"wire0\"\nlan = \"lan0\"\nwan = \"wan0\"\n\
         [lcores]\nmain = 0\nworkers = [1]\npolling = \"adaptive\"\n"
    );
    fs::write(&config, toml).unwrap();
    let options = ["run", "--interactive", "--config", config.to_str().unwrap()];
    let mut at = Pty::twinline(&options, home.path());
    at.see("inter-a ACTIVE> ");
    at.line("show link-pairs", "wire0");

    // a log line goes above what is being typed, which stays whole
    at.keys("show fl");
    at.see("show fl");
    let suspend = ["ha", "suspend", "--force"];
    let (code, _, err) = twinline(&home.path().join("a.sock"), "ctl", &suspend, b"");
    assert_eq!((code, err.as_str()), (0, ""));
    at.see("SUSPENDED");
    at.see("inter-a ACTIVE> show fl");
    at.keys("aps\r");
    at.see("inter-a SUSPENDED> ");

    // Ctrl-C ends what it should, and not the engine
    at.keys("watch 0.2 show ha\r");
    at.see("every 0.2 s");
    at.keys("\x03");
    at.see("inter-a SUSPENDED> ");

    at.keys("quit\r");
    at.see("ends with this console. Go on? (yes/no) ");
    at.keys("no\r");
    at.see("not done");
    at.see("inter-a SUSPENDED> ");
    at.keys("quit\r");
    at.see("(yes/no) ");
    at.keys("yes\r");
    at.see("inter-a has stopped");
    assert!(at.end().success());
    assert!(at.echoes());
    assert!(!home.path().join("a.sock").exists());
}

#[test]
fn without_a_terminal_it_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_twinline"))
        .args(["run", "--interactive", "--config", "/nowhere"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("--interactive needs a terminal"), "{err}");
}
