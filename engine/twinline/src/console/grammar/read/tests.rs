use super::*;

fn parsed(line: &str, mode: Mode) -> Parsed {
    match read(line, mode) {
        Ok(Some(parsed)) => parsed,
        other => panic!("{line}: {other:?}"),
    }
}

fn verb(line: &str) -> (Verb, Vec<String>) {
    let parsed = parsed(line, Mode::Console);
    (parsed.command.verb, parsed.values)
}

fn mistake(line: &str, mode: Mode) -> String {
    read(line, mode).unwrap_err().to_string()
}

/// Each row, with an example in the place of each value, is read as itself.
#[test]
fn every_command_is_read() {
    for command in COMMANDS {
        let words: Vec<&str> = command
            .tokens
            .iter()
            .map(|token| match token {
                Token::Word(word) => word,
                Token::Choice(_, words) => words.last().unwrap(),
                Token::Value(kind) => match kind {
                    Kind::Count | Kind::CommitNumber | Kind::RollbackNumber | Kind::Peer => "3",
                    Kind::ConfirmTime | Kind::WatchSeconds => "5",
                    Kind::Watchdog | Kind::Timeout => "1.5",
                    Kind::CommandLine => "show ha",
                    _ => "x1",
                },
            })
            .collect();
        let line = words.join(" ");
        let found = parsed(&line, command.mode);
        assert_eq!(found.command.usage(), command.usage(), "{line}");
        let values = command
            .tokens
            .iter()
            .filter(|t| !matches!(t, Token::Word(_)));
        assert_eq!(found.values.len(), values.count(), "{line}");
        if command.force {
            assert!(
                parsed(&format!("{line} force"), command.mode).force,
                "{line}"
            );
        }
        if command.only_looks() && command.mode == Mode::Operate {
            assert!(parsed(&format!("{line} json"), command.mode).json, "{line}");
            assert!(
                parsed(&format!("{line} --json"), command.mode).json,
                "{line}"
            );
        }
    }
}

#[test]
fn beginnings_are_enough_where_they_are_one_words() {
    assert_eq!(verb("sh ha").0, Verb::ShowHa);
    assert_eq!(verb("sh link").0, Verb::ShowLinkPairs);
    assert_eq!(verb("sta").0, Verb::Resume);
    assert_eq!(verb("ha sw").0, Verb::Switchover);
    let (port, values) = verb("sh port st all");
    assert_eq!(
        (port, values),
        (Verb::ShowPort, vec!["stats".into(), "all".into()])
    );
}

#[test]
fn an_ambiguous_beginning_is_named() {
    assert_eq!(
        mistake("ha s", Mode::Console),
        "\"s\" is ambiguous: switchover, suspend"
    );
    assert_eq!(
        mistake("st", Mode::Console),
        "\"st\" is ambiguous: start, stop"
    );
    assert_eq!(
        mistake("show po", Mode::Console),
        "\"po\" is ambiguous: port, ports"
    );
    assert_eq!(
        mistake("set bypass event wire0 power inline", Mode::Console),
        "\"power\" is ambiguous: power_on, power_off"
    );
}

#[test]
fn wrong_words_get_what_is_accepted() {
    assert_eq!(
        mistake("ha swichover", Mode::Console),
        "\"swichover\" is not understood after `ha` (perhaps \"switchover\"); accepted: \
         switchover, suspend, resume, clear"
    );
    assert_eq!(
        mistake("capture start", Mode::Console),
        "not complete: `capture start` ...; accepted next: PORT (a port's name, or its number \
         in `show ports` from 0)"
    );
    assert_eq!(
        mistake("show ha now", Mode::Console),
        "\"now\" is too much: nothing follows `show ha`"
    );
    assert_eq!(
        mistake("set bypass watchdog w -1", Mode::Console),
        "\"-1\" is not understood after `set bypass watchdog w`; accepted: SECONDS|off \
         (seconds, 0.1 to 3276.8, or off or 0)"
    );
    assert_eq!(
        mistake("show \"ha", Mode::Console),
        "a quote does not end: ha"
    );
    assert!(mistake("frobnicate", Mode::Console).starts_with("\"frobnicate\" is not understood;"));
}

#[test]
fn a_command_of_the_other_mode_is_named() {
    assert_eq!(
        mistake("diff", Mode::Console),
        "`diff` is known within `configure`"
    );
    assert_eq!(
        mistake("ha clear", Mode::Configure),
        "`ha clear` is known outside of `configure`: put `run` before it"
    );
    assert_eq!(
        mistake("configure", Mode::Operate),
        "`configure` is known in `twinline console` only"
    );
}

/// What `twinline ctl` took before there was this table.
#[test]
fn set_bypass_takes_all_its_forms() {
    let of = |line: &str| {
        let (verb, values) = verb(line);
        format!("{verb:?} {}", values.join(" "))
    };
    assert_eq!(
        of("set bypass watchdog wire0 off"),
        "BypassWatchdog wire0 off"
    );
    assert_eq!(of("set bypass event tap"), "BypassPath event tap");
    assert_eq!(of("set bypass mode bypass"), "BypassPath mode bypass");
    assert_eq!(
        of("set bypass event wire0 timeout bypass"),
        "BypassEvent wire0 timeout bypass"
    );
    assert_eq!(
        of("set bypass event timeout mode isolate 0"),
        "BypassEventOfPort timeout isolate 0"
    );
    assert_eq!(
        of("set bypass mode inline wire0"),
        "BypassMode normal wire0"
    );
    assert_eq!(
        of("set bypass wire0 isolate"),
        "BypassPath wire0 disconnect"
    );
    assert_eq!(of("set bypass timeout 1.5"), "BypassTimeout 1.5");
    for wrong in [
        "set bypass a b c",
        "set bypass event a b",
        "set bypass watchdog w 1e9",
    ] {
        assert!(read(wrong, Mode::Operate).is_err(), "{wrong}");
    }
}

#[test]
fn rests_are_taken_as_they_are_written() {
    assert_eq!(
        verb("watch 5 show 'x  y'  json"),
        (Verb::Watch, vec!["5".into(), "show 'x  y'  json".into()])
    );
    assert_eq!(verb("watch show ha"), (Verb::Watch, vec!["show ha".into()]));
    let set = parsed("set ha.peers [\"10.0.0.1\", \"#\"] # why", Mode::Configure);
    assert_eq!(set.values, ["ha.peers", "[\"10.0.0.1\", \"#\"]"]);
}

#[test]
fn flags_stand_anywhere_unless_quoted() {
    let flags = |line: &str| {
        let p = parsed(line, Mode::Console);
        (p.json, p.yes, p.force)
    };
    assert_eq!(flags("ha suspend force -y"), (false, true, true));
    assert_eq!(flags("-y ha --force suspend"), (false, true, true));
    assert_eq!(flags("show --json ha"), (true, false, false));
    assert_eq!(flags("show config diff json"), (false, false, false));
    assert_eq!(
        mistake("ha clear force", Mode::Console),
        "\"force\" is too much: nothing follows `ha clear`"
    );
    assert_eq!(
        mistake("ha clear --force", Mode::Console),
        "`ha clear` takes no `force`"
    );
    assert_eq!(verb("show events --last 3").1, ["3"]);
    assert_eq!(verb("capture start lan0 '--json'").1, ["lan0", "--json"]);
}

proptest::proptest! {
    #[test]
    fn nothing_panics(line in ".{0,80}", words in proptest::collection::vec("[a-z0-9_ '\"#?-]{0,8}", 0..8)) {
        for mode in [Mode::Operate, Mode::Console, Mode::Configure] {
            let _ = read(&line, mode);
            let _ = read(&words.join(" "), mode);
            let _ = read_argv(&words, false, mode);
        }
    }
}
