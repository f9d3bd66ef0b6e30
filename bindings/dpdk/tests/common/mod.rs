//! One EAL per test process: each test file has one `#[test]` that starts it.
#![allow(dead_code)]
// clippy takes only the #[test] functions themselves for tests.
#![allow(clippy::expect_used)]

use dpdk::{Burst, Eal, EalOptions, Huge, Pool, PoolOptions};

/// Options without hugepages, with a file prefix of the process' own.
pub fn no_huge(test: &str) -> EalOptions {
    let _ = env_logger::builder().is_test(true).try_init();
    sweep();
    EalOptions {
        program: test.into(),
        file_prefix: format!("tl_test_{test}_{}", std::process::id()),
        memory_mb: Some(128),
        huge: Huge::NoHuge,
        ..EalOptions::default()
    }
}

/// The EAL leaves its runtime directory behind: removes those of test
/// processes that have ended.
fn sweep() {
    let entries = std::fs::read_dir("/run/dpdk")
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name
            .strip_prefix("tl_test_")
            .and_then(|rest| rest.rsplit('_').next());
        let ended = pid.is_some_and(|pid| {
            pid.parse::<u32>().is_ok() && !std::path::Path::new("/proc").join(pid).exists()
        });
        if ended {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A small pool with a cache.
pub fn pool(eal: &Eal, name: &str, mbufs: u32) -> Pool {
    let options = PoolOptions {
        name: name.into(),
        mbufs,
        cache: 64,
        ..PoolOptions::default()
    };
    Pool::new(eal, options).expect("pool")
}

/// `count` frames, each with its number (from `first`) in its first 4 bytes
/// and 60 bytes long.
pub fn numbered<const N: usize>(pool: &Pool, burst: &mut Burst<N>, first: u32, count: u32) {
    for number in first..first + count {
        let mut mbuf = pool.alloc().expect("a frame");
        mbuf.append(&number.to_be_bytes()).expect("room");
        mbuf.append(&[0; 56]).expect("room");
        burst.push(mbuf).expect("a place in the burst");
    }
}

/// The numbers in frames made by [`numbered`].
pub fn numbers<const N: usize>(burst: &Burst<N>) -> Vec<u32> {
    burst
        .iter()
        .map(|mbuf| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&mbuf.data()[..4]);
            u32::from_be_bytes(bytes)
        })
        .collect()
}
