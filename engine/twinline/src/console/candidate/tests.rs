use super::*;

const TOML: &str = "# ours\n[instance]\nname = \"a\"\n\n[[port]]\nname = \"lan.0\"\nmtu = 1500 # as the switch\n\n[ha]\nmax_flaps = 6\n";

fn candidate() -> Candidate {
    Candidate::new(TOML, None).unwrap()
}

#[test]
fn values_are_set_where_they_were() {
    let mut c = candidate();
    assert!(!c.has_changed());
    c.set("ha.max-flaps", "3").unwrap();
    c.set("port.lan.0.mtu", "9000").unwrap();
    c.set("ha links-interval", "50").unwrap_err();
    c.set("ha", "links-interval 50").unwrap();
    c.set("ha.peer-check-interval", "20").unwrap();
    assert!(c.has_changed());
    let expected = "# ours\n[instance]\nname = \"a\"\n\n[[port]]\nname = \"lan.0\"\n\
        mtu = 9000 # as the switch\n\n[ha]\nmax_flaps = 3\npeer_check_interval_ms = 20\n\n\
        [ha.links]\ninterval_ms = 50\n";
    assert_eq!(c.toml(), expected);
}

#[test]
fn items_come_and_go() {
    let mut c = candidate();
    c.set("port.wan0.vdev", "net_null0").unwrap();
    c.set("route.0.0.0.0/0.via", "192.0.2.1").unwrap();
    assert!(
        c.toml()
            .contains("[[port]]\nname = \"wan0\"\nvdev = \"net_null0\"\n"),
        "{}",
        c.toml()
    );
    assert!(
        c.toml()
            .contains("[[route]]\nprefix = \"0.0.0.0/0\"\nvia = \"192.0.2.1\"\n")
    );
    assert_eq!(
        c.show("route.0.0.0.0/0").unwrap(),
        "[[route]]\nprefix = \"0.0.0.0/0\"\nvia = \"192.0.2.1\"\n"
    );
    c.delete("route.0.0.0.0/0").unwrap();
    c.delete("port.wan0").unwrap();
    c.delete("port.lan.0.mtu").unwrap();
    c.delete("ha").unwrap();
    assert_eq!(
        c.toml().trim(),
        "# ours\n[instance]\nname = \"a\"\n\n[[port]]\nname = \"lan.0\""
    );
    assert_eq!(c.delete("ha").unwrap_err(), "ha is not in the candidate");
    assert_eq!(
        c.delete("port.x").unwrap_err(),
        "port.x is not in the candidate"
    );
}

#[test]
fn parts_are_shown() {
    let c = candidate();
    assert_eq!(c.show("ha").unwrap(), "[ha]\nmax_flaps = 6\n");
    assert_eq!(c.show("ha.max_flaps").unwrap(), "ha.max_flaps = 6\n");
    assert_eq!(
        c.show("port.lan.0.mtu").unwrap(),
        "mtu = 1500 # as the switch\n"
    );
    assert!(c.keys().contains(&"port.lan.0.mtu".to_owned()));
}

#[test]
fn mistakes_say_what_is_known() {
    let mut c = candidate();
    let said = c.set("ha.max_flips", "3").unwrap_err();
    assert!(
        said.starts_with("no key \"ha.max_flips\" (perhaps ha.max_flaps); sections: instance, "),
        "{said}"
    );
    let said = c.set("ha", "x").unwrap_err();
    assert!(
        said.starts_with("ha is a section: name a value of it: mode, primary, "),
        "{said}"
    );
    assert_eq!(
        c.set("port.mtu", "9000").unwrap_err(),
        "port has items: name one, as port.NAME.mtu"
    );
    let said = c.set("ha.max_flaps", "-1").unwrap_err();
    assert_eq!(
        said,
        "ha.max_flaps = -1: accepted: 0 to 1000 (0 = no limit)"
    );
    assert_eq!(
        c.load("a = 1\nb = = 2\n").unwrap_err().split(':').next(),
        Some("line 2")
    );
    assert_eq!(c.toml(), TOML);
}

proptest::proptest! {
    #[test]
    fn nothing_panics(key in "[a-z._-]{0,20}", any in ".{0,20}", section in proptest::sample::select(SECTIONS.to_vec())) {
        let mut c = candidate();
        for key in [key.clone(), any.clone(), format!("{section}.{key}"), format!("{section}.{any}")] {
            let _ = c.set(&key, &any);
            let _ = c.show(&key);
            let _ = c.delete(&key);
        }
        proptest::prop_assert!(Candidate::new(&c.toml(), None).is_ok());
    }
}
