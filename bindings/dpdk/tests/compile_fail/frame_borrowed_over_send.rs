use dpdk::{Burst, TxQueue};

fn late(mut tx: TxQueue, mut burst: Burst) -> u8 {
    let data = burst.as_slice()[0].data();
    tx.burst(&mut burst);
    data[0]
}

fn main() {}
