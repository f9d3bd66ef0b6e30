//! Commands of our own on the telemetry socket, read as `dpdk-telemetry.py` reads them.
#![allow(clippy::unwrap_used, reason = "helpers of tests, not excepted")]

mod common;

use dpdk::telemetry::{Value, register};
use dpdk::{Eal, Error};
use std::io::{Read, Write};
use std::time::Duration;

/// One answer of the socket of `prefix`.
fn ask(prefix: &str, command: &str) -> String {
    use socket2::{Domain, SockAddr, Socket, Type};
    let path = format!("/var/run/dpdk/{prefix}/dpdk_telemetry.v2");
    let mut socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket.connect(&SockAddr::unix(path).unwrap()).unwrap();
    let mut buffer = vec![0; 16 << 10];
    let _greeting = socket.read(&mut buffer).unwrap();
    socket.write_all(command.as_bytes()).unwrap();
    let length = socket.read(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn our_commands_are_answered() {
    let mut options = common::no_huge("telemetry");
    options.telemetry = true;
    let prefix = options.file_prefix.clone();
    let eal = Eal::init(options).unwrap();
    let text = |text: &str| Value::Text(text.into());
    let dict = |id: u64| Value::Dict(vec![("id".into(), Value::Count(id))]);
    let all = Value::Dict(vec![
        ("count".into(), Value::Count(u64::MAX)),
        ("a text-name".into(), text("say \"this\"")),
        ("words".into(), Value::Texts(vec!["a".into(), "b".into()])),
        ("none".into(), Value::Texts(vec![])),
        ("inner".into(), dict(7)),
    ]);
    register(&eal, "/test/all", "Everything.", {
        Box::new(move |_| Some(all.clone()))
    })
    .unwrap();
    let list = move |parameters: &str| match parameters {
        "" => Some(Value::Texts(vec!["1".into(), "2".into()])),
        "3" => Some(dict(3)),
        _ => None,
    };
    register(&eal, "/test/list", "A list.", Box::new(list)).unwrap();
    let again = register(&eal, "/test/list", "A list.", Box::new(|_| None));
    assert!(matches!(again, Err(Error::Telemetry { .. })), "{again:?}");
    assert!(register(&eal, "no slash", "", Box::new(|_| None)).is_err());

    assert_eq!(
        ask(&prefix, "/test/all"),
        r#"{"/test/all":{"count":18446744073709551615,"a_text_name":"say \"this\"","words":["a","b"],"none":[],"inner":{"id":7}}}"#
    );
    assert_eq!(ask(&prefix, "/test/list"), r#"{"/test/list":["1","2"]}"#);
    assert_eq!(ask(&prefix, "/test/list,3"), r#"{"/test/list":{"id":3}}"#);
    assert_eq!(ask(&prefix, "/test/list,4"), r#"{"/test/list":null}"#);
    assert!(ask(&prefix, "/").contains("/test/all"));
}
