fn sent<T: Send>() {}

fn main() {
    sent::<dpdk::lcore::RegisteredThread>();
}
