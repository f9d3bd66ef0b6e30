//! What an adversary on the HA link could do: take heartbeats down, and send frames of its own.

use crate::error::{LabError, Result};
use crate::netns;
use crate::sys::{self, RawSocket, Take};
use crate::topology::{Side, Topology};
use std::io;
use std::time::{Duration, Instant};

/// Every message of an instance begins with this, after Ethernet, IPv4 and UDP.
const MAGIC: &[u8] = b"TWNL";
const MAGIC_AT: usize = 14 + 20 + 8;
/// How long a receive waits before it looks at the clock.
const TICK: Duration = Duration::from_millis(5);

/// The far end of an instance's HA cable: what it sends is heard here, and what is sent here
/// reaches it.
#[derive(Debug)]
pub struct HaTap {
    socket: RawSocket,
}

impl HaTap {
    /// A tap on the HA port of appliance `side`: a packet socket on its interface `ha0`.
    ///
    /// # Errors
    /// Without root, or when the interface is gone.
    pub fn open(topology: &Topology, side: Side) -> Result<Self> {
        let socket = netns::inside(topology.appliance(side), || {
            RawSocket::open(sys::interface_index("ha0")?, Take::All)
        })?;
        Ok(Self { socket })
    }

    /// The messages that come in at this port within `time`, whole frames in order.
    ///
    /// # Errors
    /// What the packet socket says.
    pub fn capture(&self, time: Duration) -> Result<Vec<Vec<u8>>> {
        let end = Instant::now() + time;
        let mut frames = Vec::new();
        let mut buffer = [0; 2048];
        while Instant::now() < end {
            let seen = self.socket.receive(&mut buffer, TICK);
            let Some(seen) = seen.map_err(LabError::io("capture on ha0"))? else {
                continue;
            };
            let frame = buffer.get(..seen.length).unwrap_or_default();
            let ours = frame
                .get(MAGIC_AT..)
                .is_some_and(|payload| payload.starts_with(MAGIC));
            if !seen.outgoing && ours {
                frames.push(frame.to_vec());
            }
        }
        Ok(frames)
    }

    /// Sends frames out of this port, one each `pace`.
    ///
    /// # Errors
    /// What the packet socket says.
    pub fn send(&self, frames: &[Vec<u8>], pace: Duration) -> Result<()> {
        for frame in frames {
            self.socket
                .send(frame)
                .map_err(LabError::io("injection on ha0"))?;
            std::thread::sleep(pace);
        }
        Ok(())
    }

    /// Sends frames round and round for `time` as fast as this thread can; gives how many went
    /// out. One that the kernel has no room for is not counted, and not an error.
    ///
    /// # Errors
    /// What else the packet socket says.
    pub fn flood(&self, frames: &[Vec<u8>], time: Duration) -> Result<u64> {
        let end = Instant::now() + time;
        let mut sent = 0;
        while Instant::now() < end {
            for frame in frames {
                match self.socket.send(frame) {
                    Ok(()) => sent += 1,
                    Err(e) if no_room(&e) => {}
                    Err(e) => return Err(LabError::io("flood on ha0")(e)),
                }
            }
        }
        Ok(sent)
    }
}

fn no_room(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOBUFS | libc::EAGAIN | libc::EINTR)
    )
}
