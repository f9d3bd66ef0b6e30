fn early(port: dpdk::Port<dpdk::Idle>) {
    let _ = port.start();
}

fn main() {}
