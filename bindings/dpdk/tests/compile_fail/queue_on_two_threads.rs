use dpdk::{Burst, RxQueue};

fn both(mut rx: RxQueue) {
    let queue = &mut rx;
    std::thread::scope(|scope| {
        scope.spawn(|| queue.burst(&mut Burst::<32>::new()));
        scope.spawn(|| queue.burst(&mut Burst::<32>::new()));
    });
}

fn main() {}
