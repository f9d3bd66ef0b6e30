//! The traffic that runs during a scene: all three probes together.

use crate::error::Result;
use crate::judge::Measured;
use crate::lab::Lab;
use crate::probe::broadcast::Broadcasts;
use crate::probe::tcp::{TcpReport, TcpTransfer};
use crate::probe::udp::UdpProbe;
use std::time::Duration;

/// How long stragglers may arrive.
const LINGER: Duration = Duration::from_millis(300);

/// How much runs during a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Numbered probes a second.
    pub probes: u32,
    /// Mbit/s of the TCP transfer.
    pub tcp_mbits: u32,
    /// Numbered broadcasts a second.
    pub broadcasts: u32,
    /// Seconds for which the scene `busy` keeps the cores busy.
    pub busy_seconds: u32,
}

impl Load {
    /// Bits a second that an appliance counts of probes and broadcasts, in sum of both directions,
    /// by the frames' lengths: a probe has 64 bytes under 42 of headers and comes back; a
    /// broadcast has 60 at most.
    #[must_use]
    pub fn quiet_bps(&self) -> u64 {
        (u64::from(self.probes) * 2 * (64 + 42) + u64::from(self.broadcasts) * 60) * 8
    }
}

impl Default for Load {
    fn default() -> Self {
        Self {
            probes: 1000,
            tcp_mbits: 20,
            broadcasts: 400,
            busy_seconds: 60,
        }
    }
}

/// The three probes, running.
#[derive(Debug)]
pub struct Traffic {
    udp: UdpProbe,
    tcp: Option<TcpTransfer>,
    ended: Option<TcpReport>,
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
            tcp: Some(tcp),
            ended: None,
            broadcasts,
        })
    }

    /// Ends the transfer ahead of the rest: probes and broadcasts go on.
    ///
    /// # Errors
    /// When a measuring thread failed.
    pub fn end_transfer(&mut self) -> Result<()> {
        if let Some(tcp) = self.tcp.take() {
            self.ended = Some(tcp.stop()?);
        }
        Ok(())
    }

    /// Stops all three and gives their accounts; probes later than `late_after` count as late.
    ///
    /// # Errors
    /// When a measuring thread failed.
    pub fn stop(mut self, late_after: Duration) -> Result<Measured> {
        let udp = self.udp.stop(LINGER, late_after)?;
        let broadcast = self.broadcasts.stop(LINGER)?;
        let tcp = match self.tcp.take() {
            Some(tcp) => tcp.stop()?,
            None => self.ended.unwrap_or_default(),
        };
        Ok(Measured {
            udp,
            broadcast,
            tcp,
            ..Measured::default()
        })
    }
}
