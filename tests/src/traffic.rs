//! The traffic that runs during a scene: all three probes together.

use crate::error::Result;
use crate::judge::Measured;
use crate::lab::Lab;
use crate::probe::broadcast::Broadcasts;
use crate::probe::tcp::TcpTransfer;
use crate::probe::udp::UdpProbe;
use std::time::Duration;

/// How long stragglers may arrive.
const LINGER: Duration = Duration::from_millis(300);

/// How much traffic runs during a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Numbered probes a second.
    pub probes: u32,
    /// Mbit/s of the TCP transfer.
    pub tcp_mbits: u32,
    /// Numbered broadcasts a second.
    pub broadcasts: u32,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            probes: 1000,
            tcp_mbits: 20,
            broadcasts: 400,
        }
    }
}

/// The three probes, running.
#[derive(Debug)]
pub struct Traffic {
    udp: UdpProbe,
    tcp: TcpTransfer,
    broadcasts: Broadcasts,
}

impl Traffic {
    /// Starts all three.
    ///
    /// # Errors
    /// When a socket cannot be made, or the transfer's connection (`TimedOut`: no path).
    pub fn start(lab: &Lab, load: Load) -> Result<Self> {
        let tcp = TcpTransfer::start(&lab.topology, load.tcp_mbits)?;
        let broadcasts = Broadcasts::start(&lab.topology, load.broadcasts)?;
        let udp = UdpProbe::start(&lab.topology, load.probes)?;
        Ok(Self {
            udp,
            tcp,
            broadcasts,
        })
    }

    /// Stops all three and gives their accounts; probes later than `late_after` count as late.
    ///
    /// # Errors
    /// When a measuring thread failed.
    pub fn stop(self, late_after: Duration) -> Result<Measured> {
        Ok(Measured {
            udp: self.udp.stop(LINGER, late_after)?,
            broadcast: self.broadcasts.stop(LINGER)?,
            tcp: self.tcp.stop()?,
            ..Measured::default()
        })
    }
}
