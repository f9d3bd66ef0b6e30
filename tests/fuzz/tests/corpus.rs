//! The committed corpus, played without libFuzzer: what was found once stays found, and the targets
//! are known to do something.

use std::path::{Path, PathBuf};

fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus is committed")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), std::fs::read(path).expect("a file")))
        .collect();
    files.sort();
    files
}

#[test]
fn rule_05_the_corpus_of_frames_is_judged() {
    let files = files("heartbeat");
    assert!(files.len() > 20);
    for (path, bytes) in &files {
        println!("{}", path.display());
        twinline_fuzz::frames::judge(bytes);
    }
}

#[test]
fn rule_05_the_corpus_of_lives_is_judged() {
    let files = files("node");
    assert!(files.len() > 8);
    for (path, bytes) in &files {
        println!("{}", path.display());
        twinline_fuzz::node::judge(bytes);
    }
}

#[test]
fn the_corpus_of_the_slow_path_is_judged() {
    let files = files("slow-path");
    assert!(files.len() > 20);
    for (path, bytes) in &files {
        println!("{}", path.display());
        twinline_fuzz::slow_path::judge(bytes);
    }
}

#[test]
fn the_corpus_stays_small() {
    let bytes: usize = ["heartbeat", "node", "slow-path"]
        .iter()
        .flat_map(|target| files(target))
        .map(|(_, bytes)| bytes.len())
        .sum();
    assert!(bytes < 200_000, "{bytes} bytes of corpus");
}

/// Every prefix of a script is a script, and every frame cut short a frame.
#[test]
fn rule_05_what_is_cut_short_is_judged_as_well() {
    for (_, bytes) in files("heartbeat") {
        (0..bytes.len()).for_each(|end| twinline_fuzz::frames::judge(&bytes[..end]));
    }
    for (_, bytes) in files("node") {
        (0..bytes.len())
            .step_by(61)
            .for_each(|end| twinline_fuzz::node::judge(&bytes[..end]));
    }
    for (_, bytes) in files("slow-path") {
        (0..bytes.len()).for_each(|end| twinline_fuzz::slow_path::judge(&bytes[..end]));
    }
}

/// The judge bites: with a deliberate fault in the decisions, the corpus alone finds it.
#[cfg(feature = "faults")]
#[test]
fn rule_05_the_corpus_finds_deliberate_faults() {
    use twinline_ha::faults::{Fault, choose};

    let found = |fault| {
        choose(fault);
        let found = files("node").iter().any(|(_, bytes)| {
            std::panic::catch_unwind(|| twinline_fuzz::node::judge(bytes)).is_err()
        });
        choose(None);
        found
    };
    assert!(
        !found(None),
        "the control: without a fault nothing is found"
    );
    let missed: Vec<Fault> = [
        Fault::SequenceUnchecked,
        Fault::BootIdUnchecked,
        Fault::ThresholdEarly,
        Fault::ThresholdLate,
        Fault::LossForgiven,
        Fault::LeaseGuardDropped,
        Fault::LeaseByOwnThreshold,
    ]
    .into_iter()
    .filter(|&fault| !found(Some(fault)))
    .collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
