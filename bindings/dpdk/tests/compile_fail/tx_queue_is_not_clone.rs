fn twin(tx: &dpdk::TxQueue) -> dpdk::TxQueue {
    tx.clone()
}

fn main() {}
