//! Starts that cannot work say why, and do not use up the process' one start.

mod common;

use dpdk::{Eal, EalOptions, Error, Pool, PoolOptions};

#[test]
fn wrong_options_are_named_and_a_right_start_follows() {
    let base = || common::no_huge("refusals");

    let core = 4_000;
    let error = Eal::init(EalOptions {
        main_core: core,
        ..base()
    })
    .unwrap_err();
    assert!(
        matches!(&error, Error::NoSuchCore { core: 4_000, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("online cores: 0"), "{error}");
    let error = Eal::init(EalOptions {
        worker_cores: vec![core],
        ..base()
    })
    .unwrap_err();
    assert!(matches!(error, Error::NoSuchCore { core: 4_000, .. }));

    let error = Eal::init(EalOptions {
        file_prefix: "../x".into(),
        ..base()
    })
    .unwrap_err();
    assert!(
        matches!(
            error,
            Error::InvalidOption {
                option: "file_prefix",
                ..
            }
        ),
        "{error}"
    );

    // More memory than any machine's hugepages.
    let greedy = EalOptions {
        huge: dpdk::Huge::Pages,
        memory_mb: Some(16 * 1024 * 1024),
        ..base()
    };
    let error = Eal::init(greedy).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NoHugepages {
                needed_mb: 16_777_216,
                ..
            }
        ),
        "{error}"
    );

    // The shared build knows its drivers only from within rte_eal_init.
    let shared = cfg!(feature = "shared");
    let vdevs = vec!["net_null0".into(), "net_bogus0,x=1".into()];
    let error = if shared {
        None
    } else {
        Some(Eal::init(EalOptions { vdevs, ..base() }).unwrap_err())
    };
    if let Some(error) = error {
        assert_eq!(
            error,
            Error::UnknownVdev {
                name: "net_bogus0,x=1".into()
            }
        );
        assert!(error.to_string().contains("net_bogus0"), "{error}");
    }

    // None of that was the one start.
    let eal = Eal::init(base()).expect("the EAL");
    let error = eal.vdev_create("net_bogus1", "").unwrap_err();
    assert_eq!(
        error,
        Error::UnknownVdev {
            name: "net_bogus1".into()
        }
    );
    assert!(eal.vdev_create("net_null1", "size=64").is_ok());
    let error = eal.vdev_create("net_null1", "size=64").unwrap_err();
    assert!(matches!(error, Error::Attach { .. }), "{error}");

    let pool = |options: PoolOptions| Pool::new(&eal, options);
    let named = |name: &str| PoolOptions {
        name: name.into(),
        mbufs: 255,
        cache: 0,
        ..PoolOptions::default()
    };
    let _first = pool(named("twice")).expect("a pool");
    let error = pool(named("twice")).unwrap_err();
    assert!(
        error.to_string().contains("a pool of this name exists"),
        "{error}"
    );
    let error = pool(PoolOptions {
        mbufs: 10_000_000,
        ..named("huge")
    })
    .unwrap_err();
    assert!(error.to_string().contains("raise memory_mb"), "{error}");
    for wrong in [
        named(""),
        named(&"x".repeat(25)),
        named("nul\0"),
        PoolOptions {
            mbufs: 0,
            ..named("none")
        },
        PoolOptions {
            cache: 513,
            mbufs: 4095,
            ..named("cache")
        },
        PoolOptions {
            cache: 200,
            ..named("cache")
        },
        PoolOptions {
            data_room: 128,
            ..named("room")
        },
    ] {
        let error = pool(wrong.clone()).unwrap_err();
        assert!(
            matches!(error, Error::InvalidOption { .. }),
            "{wrong:?}: {error}"
        );
    }
}
