//! A person at the prompt.

use std::fs;
use std::time::Duration;

use super::fake::Fake;
use super::pty::Pty;

const ESC_CLEAR: &str = "\x1b[H\x1b[2J";

#[test]
fn a_session() {
    let fake = Fake::start();
    let home = tempfile::TempDir::new().unwrap();
    let mut at = Pty::console(&fake.socket(), home.path());
    at.see("`help` lists the commands");
    at.see("node-a ACTIVE> ");
    at.line("sh version", "DPDK 22.11.7");
    at.line("nonsense", "\"nonsense\" is not understood");

    // Tab: a word, a name, and a setting
    at.keys("sho\tpo\t");
    at.see("show port");
    at.keys(" li\tla\t");
    at.see("link lan0 ");
    at.keys("\r");
    at.see("10000 Mbit/s");
    at.see("ACTIVE> ");
    at.keys("set ha peer-ch\t50\r");
    at.see("peer-check-interval ");
    at.see("done");
    at.see("ACTIVE> ");

    // `?` answers at once, and leaves the line as it is
    at.keys("ha ?");
    at.see("Hand over to the peer in an orderly way");
    at.see("ACTIVE> ha ");
    at.keys("cle");
    at.keys("\r");
    at.see("done");
    at.see("ACTIVE> ");

    // Ctrl-C clears a line
    at.keys("show nonsense\x03");
    at.see("ACTIVE> ");
    at.line("show flaps", "1 flap within");

    // a question is answered with no, rubbish, and yes
    at.keys("ha switchover\r");
    at.see("The role moves to the peer. Go on? (yes/no) ");
    at.keys("no\r");
    at.see("not done");
    at.see("ACTIVE> ");
    at.keys("ha switchover\r");
    at.see("(yes/no) ");
    at.keys("perhaps?\r");
    at.see("yes or no?");
    at.see("(yes/no) ");
    at.keys("yes\r");
    at.see("node-a: ACTIVE -> PASSIVE");
    // the prompt knows
    at.see("node-a PASSIVE> ");

    // the history: up, and on disk
    at.keys("\x1b[A\r");
    at.see("ha switchover");
    at.see("(yes/no) ");
    at.keys("\x04");
    at.see("not done");
    at.see("PASSIVE> ");
    at.keys("quit\r");
    assert!(at.end().success());
    let history = fs::read_to_string(home.path().join(".local/state/twinline/history")).unwrap();
    assert!(
        history.contains("sh version\n") && !history.contains("perhaps"),
        "{history}"
    );

    let mut again = Pty::console(&fake.socket(), home.path());
    again.see("PASSIVE> ");
    again.keys("\x1b[A");
    again.see("quit");
    again.keys("\x03");
    again.see("PASSIVE> ");
    again.keys("\x04");
    assert!(again.end().success());
}

#[test]
fn watch_and_follow_end_with_ctrl_c() {
    let fake = Fake::start();
    let home = tempfile::TempDir::new().unwrap();
    let mut at = Pty::console(&fake.socket(), home.path());
    at.see("ACTIVE> ");
    at.keys("watch 0.2 show version\r");
    for _ in 0..3 {
        at.see(ESC_CLEAR);
        at.see("every 0.2 s: show version");
        at.see("DPDK 22.11.7");
    }
    at.keys("\x03");
    at.see("ACTIVE> ");
    at.keys("show events follow\r");
    at.see("b1-3");
    fake.state.lock().unwrap().events = 4;
    at.see("note: - -> b1-4 (test)");
    {
        // started again: its events count from 1
        let mut state = fake.state.lock().unwrap();
        state.boot = "b2".into();
        state.events = 2;
    }
    at.see("b2-1");
    at.see("b2-2");
    at.keys("\x03");
    at.see("ACTIVE> ");
    at.keys("exit\r");
    assert!(at.end().success());
}

#[test]
fn configure_has_a_prompt_and_asks_before_changes_are_lost() {
    let fake = Fake::start();
    let home = tempfile::TempDir::new().unwrap();
    let mut at = Pty::console(&fake.socket(), home.path());
    at.see("ACTIVE> ");
    at.keys("configure\r");
    at.see("node-a ACTIVE [edit]# ");
    at.keys("set port.la\t");
    at.see("port.lan0");
    at.keys(".mt\t9000\r");
    at.see("[edit]# ");
    at.keys("show port.lan0.mtu\r");
    at.see("mtu = 9000");
    at.see("[edit]# ");
    at.keys("\x04");
    at.see("they are lost. Go on? (yes/no) ");
    at.keys("no\r");
    at.see("not done");
    at.see("[edit]# ");
    fake.state.lock().unwrap().warnings = vec!["the role moves".into()];
    at.keys("commit\r");
    at.see("warning: the role moves");
    at.see("(yes/no) ");
    at.keys("yes\r");
    at.see("ha.max_flaps: 6 -> 3");
    at.see("[edit]# ");
    at.keys("exit\r");
    at.see("node-a ACTIVE> ");
    at.keys("\x04");
    assert!(at.end().success());
}

#[test]
fn two_consoles_and_an_engine_that_comes_and_goes() {
    let mut fake = Fake::start();
    let home = tempfile::TempDir::new().unwrap();
    let mut one = Pty::console(&fake.socket(), home.path());
    let mut two = Pty::console(&fake.socket(), home.path());
    one.see("node-a ACTIVE> ");
    two.see("node-a ACTIVE> ");
    one.line("show flaps", "1 flap within");
    two.line("ha switchover -y", "ACTIVE -> PASSIVE");
    one.keys("\r");
    one.see("node-a PASSIVE> ");

    fake.end();
    one.keys("show ha\r");
    one.see("no engine listens on");
    one.see("node-a (no engine)> ");
    two.keys("\r");
    two.see("node-a (no engine)> ");
    // Tab has nobody to ask, and says nothing
    one.keys("show port info \t\t\x03");
    one.see("(no engine)> ");

    fake.state.lock().unwrap().boot = "b2".into();
    fake.go();
    one.line("show flaps", "1 flap within");
    two.keys("\r");
    two.see("node-a PASSIVE> ");
    for mut console in [one, two] {
        console.keys("quit\r");
        assert!(console.end().success());
    }
}

#[test]
fn an_engine_that_hangs_is_waited_for_only_until_ctrl_c() {
    let fake = Fake::start();
    let home = tempfile::TempDir::new().unwrap();
    let mut at = Pty::console(&fake.socket(), home.path());
    at.see("ACTIVE> ");
    let state = fake.state.clone();
    let hung = state.lock().unwrap();
    at.keys("\r");
    at.see("node-a (no answer)> ");
    at.keys("ha clear\r");
    at.see("ha clear");
    // changing requests are waited for longer than this
    std::thread::sleep(Duration::from_millis(300));
    at.keys("\x03");
    at.see("interrupted; what was begun in the engine goes on");
    at.see("node-a (no answer)> ");
    drop(hung);
    at.line("show flaps", "1 flap within");
    at.keys("quit\r");
    assert!(at.end().success());
}

#[test]
fn hostile_keys_do_not_end_it() {
    let fake = Fake::start();
    let home = tempfile::TempDir::new().unwrap();
    // a history that cannot be written is none
    fs::write(home.path().join(".local"), "").unwrap();
    let mut at = Pty::console(&fake.socket(), home.path());
    at.see("ACTIVE> ");
    at.bytes(b"show \xff\xfe\xc3\x28 \x00 \x1b[999999C\x1b]0;x\x07 \xf0\x9f\r");
    at.keys("\x03");
    at.bytes(&[b'x'; 3000]);
    at.keys("\x03");
    at.see("ACTIVE> ");
    at.line("show flaps", "1 flap within");
    at.keys("quit\r");
    assert!(at.end().success());
}

/// Whoever ends it gives the terminal back with its echo.
#[test]
fn a_console_that_is_ended_leaves_the_terminal_as_it_was() {
    let fake = Fake::start();
    let home = tempfile::TempDir::new().unwrap();
    let mut at = Pty::console(&fake.socket(), home.path());
    at.see("ACTIVE> ");
    std::thread::sleep(Duration::from_millis(200));
    assert!(!at.echoes());
    at.signal(rustix::process::Signal::TERM);
    assert!(!at.end().success());
    assert!(at.echoes());
}
