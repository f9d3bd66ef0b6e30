//! What a full transmit queue left.

use dpdk::{Burst, TxQueue};

/// How often a full transmit queue is tried again for one burst before the rest is freed.
const TX_RETRIES: usize = 4;

/// Tries again with what a full queue left, then frees the rest: its frames and bytes.
#[cold]
#[inline(never)]
pub(crate) fn send_rest<const N: usize>(tx: &mut TxQueue, burst: &mut Burst<N>) -> (u64, u64) {
    for _ in 0..TX_RETRIES {
        tx.burst(burst);
        if burst.is_empty() {
            return (0, 0);
        }
    }
    let left = (burst.len() as u64, burst.bytes());
    burst.clear();
    left
}
