use dpdk::{Burst, Port, RxQueue, Started, TxQueue};

fn late(port: Port<Started>, mut rx: Vec<RxQueue>, tx: Vec<TxQueue>) {
    let _ = port.stop(rx, tx);
    rx[0].burst(&mut Burst::<32>::new());
}

fn main() {}
