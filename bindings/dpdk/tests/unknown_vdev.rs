//! An unknown virtual device stops the start with a clear error, in both
//! linkages (this test is for the shared one, where the EAL itself finds out).

mod common;

use dpdk::{Eal, EalOptions, Error};

#[test]
fn an_unknown_vdev_is_named() {
    let options = EalOptions {
        vdevs: vec!["net_bogus0".into()],
        ..common::no_huge("unknown_vdev")
    };
    let error = Eal::init(options).unwrap_err();
    assert_eq!(
        error,
        Error::UnknownVdev {
            name: "net_bogus0".into()
        }
    );
    if cfg!(feature = "shared") {
        // rte_eal_init was called: that was the one start.
        let again = Eal::init(common::no_huge("unknown_vdev"));
        assert_eq!(again.unwrap_err(), Error::AlreadyInitialised);
    }
}
