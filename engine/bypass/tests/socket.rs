//! A card in another process: its model behind a socket.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use twinline_bypass::access::socket::{Remote, serve};
use twinline_bypass::intel::{Adapter, Family};
use twinline_bypass::model::intel::{Model, Params};
use twinline_bypass::{Card, CardError, Delay, Function, Path, RegisterIo};

const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn a_driver_does_not_see_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("card");
    let listener = UnixListener::bind(&socket).unwrap();
    let model = Model::new(Params::default());
    let board = model.clone();
    let server = thread::spawn(move || serve(listener.accept().unwrap().0, board));

    let remote = Remote::connect(&socket, TIMEOUT).unwrap();
    let mut card = Adapter::open(remote, Family::Intel82599, "0000:03:00.0").unwrap();
    assert_eq!(
        card.arm_watchdog(Duration::from_secs(4)),
        Ok(Duration::from_secs(4))
    );
    assert_eq!(card.set_path(Path::Bypass), Ok(()));
    assert_eq!(model.path(), Path::Bypass);
    model.advance(Duration::from_secs(5));
    assert_eq!(card.kick(), Ok(()));
    assert_eq!(model.foreign_writes(), 0);
    drop(card);
    server.join().unwrap().unwrap();
}

fn served() -> (Remote, Model, thread::JoinHandle<std::io::Result<()>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let model = Model::new(Params::default());
    let board = model.clone();
    let server = thread::spawn(move || serve(theirs, board));
    (Remote::over(ours, TIMEOUT), model, server)
}

#[test]
fn each_request_arrives_as_it_was_meant() {
    let (mut remote, model, server) = served();
    remote.write(Function::Slave, 0x5678, 0x89AB_CDEF).unwrap();
    assert_eq!(remote.read(Function::Slave, 0x5678), Ok(0x89AB_CDEF));
    assert_eq!(remote.read(Function::Master, 0x5678), Ok(0));
    remote.wait(Duration::from_secs(3600));
    assert_eq!(model.now(), Duration::from_secs(3600));
    let wrong = remote.read(Function::Master, 0xFFFF_FFFC).unwrap_err();
    assert!(wrong.to_string().contains("0xfffffffc"), "{wrong}");
    // Such a refusal breaks nothing.
    assert_eq!(remote.read(Function::Slave, 0x5678), Ok(0x89AB_CDEF));
    drop(remote);
    server.join().unwrap().unwrap();
}

#[test]
fn a_process_that_is_gone_or_silent_is_an_error_and_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = Remote::connect(&folder.path().join("card"), TIMEOUT).unwrap_err();
    assert!(nobody.to_string().starts_with("nobody serves registers at"));

    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut remote = Remote::over(ours, TIMEOUT);
    drop(theirs);
    remote.wait(Duration::from_millis(1));
    let gone = remote.read(Function::Master, 8).unwrap_err();
    assert!(matches!(gone, CardError::Access(_)), "{gone:?}");

    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let patience = Duration::from_millis(50);
    let mut remote = Remote::over(ours, patience);
    let begun = Instant::now();
    let late = remote.read(Function::Master, 8);
    assert_eq!(late, Err(CardError::Timeout(patience)));
    assert!(begun.elapsed() >= patience);
    // The answer that comes after all is nobody's.
    theirs.write_all(&[0; 8]).unwrap();
    // Whoever holds the card reaches it anew, which a mere lateness is no reason for.
    let after = remote.read(Function::Master, 8).unwrap_err();
    assert!(matches!(after, CardError::Access(_)), "{after:?}");
}

#[test]
fn what_is_no_request_ends_the_service() {
    for request in [
        [9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [1, 2, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        // a value of more than 32 bits
        [2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
    ] {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&request).unwrap();
        let ended = serve(theirs, Model::new(Params::default())).unwrap_err();
        assert_eq!(ended.kind(), std::io::ErrorKind::InvalidData);
    }
}
