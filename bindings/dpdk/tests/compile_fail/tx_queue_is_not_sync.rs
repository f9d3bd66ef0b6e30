fn shared<T: Sync>() {}

fn main() {
    shared::<dpdk::TxQueue>();
}
