//! The bypass functions of net_ixgbe, as far as they go without such a NIC: the
//! driver's code is linked in, and is never let loose on another driver's port.

mod common;

use dpdk::{Eal, EalOptions, Error, IxgbeBypass, ixgbe_bypass_is_linked};

#[test]
fn linked_in_and_refused_on_other_ports() {
    let eal = Eal::init(EalOptions {
        vdevs: vec!["net_null0".into()],
        ..common::no_huge("ixgbe_bypass")
    })
    .expect("the EAL");
    // A build with drivers of one's own choice may be without it.
    let chosen = option_env!("TWINLINE_DPDK_PMDS").unwrap_or("ixgbe");
    let expected = chosen.trim().is_empty() || chosen.contains("ixgbe");
    assert_eq!(ixgbe_bypass_is_linked(), expected);

    let port = eal
        .take(eal.port_named("net_null0").expect("net_null0"))
        .expect("the port");
    let error = IxgbeBypass::new(port.handle()).unwrap_err();
    let wanted = Error::NotSupported {
        name: "net_null0".into(),
        call: "bypass",
    };
    assert_eq!(error, wanted);
}
