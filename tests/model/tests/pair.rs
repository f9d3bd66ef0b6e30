//! Every order of a few faults, and faults in the decisions that have to be caught.
#![allow(clippy::unwrap_used, clippy::panic)]

use stateright::{Checker, Model};
use twinline_ha::faults::{self, Fault};
use twinline_model::Pair;

fn found(pair: Pair) -> Vec<&'static str> {
    let begun = std::time::Instant::now();
    let checker = pair.checker().threads(2).spawn_bfs().join();
    println!(
        "{} faults within {} quarters: {} unique states, {:.1} s",
        pair.faults,
        pair.troubled,
        checker.unique_state_count(),
        begun.elapsed().as_secs_f64()
    );
    let discoveries = checker.discoveries();
    for (name, path) in &discoveries {
        let roles = path.last_state().roles();
        println!("{name}: {roles:?} after {:?}", path.clone().into_actions());
    }
    discoveries.into_keys().collect()
}

#[test]
fn rules_07_to_11_hold_for_every_order_of_two_faults() {
    let pair = Pair {
        faults: 2,
        troubled: 14,
        horizon: 110,
        before_step: || {},
    };
    assert_eq!(found(pair), [""; 0]);
}

fn with_one_fault(before_step: fn()) -> Vec<&'static str> {
    found(Pair {
        faults: 1,
        troubled: 8,
        horizon: 80,
        before_step,
    })
}

#[test]
fn deliberate_faults_are_caught() {
    assert_eq!(with_one_fault(|| faults::choose(None)), [""; 0]);
    let caught: [(&str, fn()); 3] = [
        ("a: never two forwarders", || {
            faults::choose(Some(Fault::ThresholdEarly));
        }),
        ("e: no bouncing", || {
            faults::choose(Some(Fault::HandoverClosesAtOnce));
        }),
        ("b: exactly one ACTIVE at the horizon", || {
            faults::choose(Some(Fault::NobodyYields));
        }),
    ];
    for (property, fault) in caught {
        let broken = with_one_fault(fault);
        assert!(broken.contains(&property), "{property}: {broken:?}");
    }
}
