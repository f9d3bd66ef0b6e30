fn twin(rx: &dpdk::RxQueue) -> dpdk::RxQueue {
    rx.clone()
}

fn main() {}
