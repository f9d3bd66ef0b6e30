use dpdk::{Burst, Mbuf, TxQueue};

fn late(mut tx: TxQueue, mbuf: Mbuf) -> u32 {
    let mut burst = Burst::<32>::new();
    let _ = burst.push(mbuf);
    tx.burst(&mut burst);
    mbuf.len()
}

fn main() {}
