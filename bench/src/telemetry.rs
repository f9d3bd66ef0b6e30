//! A client of DPDK's telemetry socket, as much of it as reading port statistics takes.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// The longest answer that we take. DPDK says 16 KiB in its greeting.
const LONGEST_ANSWER: usize = 16 * 1024;

/// A connection to the telemetry socket of one DPDK process.
#[derive(Debug)]
pub struct Telemetry(Socket);

impl Telemetry {
    /// Where a process with this `--file-prefix` has its socket (as root).
    #[must_use]
    pub fn path(file_prefix: &str) -> PathBuf {
        PathBuf::from(format!("/var/run/dpdk/{file_prefix}/dpdk_telemetry.v2"))
    }

    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// No such process, or a socket that does not answer within two seconds.
    pub fn connect(file_prefix: &str) -> Result<Self> {
        let path = Self::path(file_prefix);
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.set_write_timeout(Some(Duration::from_secs(2)))?;
        socket
            .connect(&SockAddr::unix(&path)?)
            .with_context(|| format!("cannot connect to {}", path.display()))?;
        let mut telemetry = Self(socket);
        telemetry
            .receive()
            .context("no greeting from DPDK's telemetry")?;
        Ok(telemetry)
    }

    fn receive(&mut self) -> Result<Value> {
        let mut answer = vec![0; LONGEST_ANSWER];
        let length = self.0.read(&mut answer)?;
        if length == 0 {
            bail!("the process closed its telemetry socket");
        }
        Ok(serde_json::from_slice(&answer[..length])?)
    }

    /// Asks one command, like `/ethdev/stats,0`; the value under the command's name.
    ///
    /// # Errors
    /// The process is gone, or does not know the command.
    pub fn ask(&mut self, command: &str) -> Result<Value> {
        self.0.write_all(command.as_bytes())?;
        let mut answer = self.receive()?;
        let name = command.split(',').next().unwrap_or(command);
        match answer.get_mut(name) {
            Some(value) if !value.is_null() => Ok(value.take()),
            _ => bail!("telemetry does not answer {command}"),
        }
    }

    /// Packets sent by all of the first `ports` ports, since the process began.
    ///
    /// # Errors
    /// As [`Telemetry::ask`].
    pub fn sent_packets(&mut self, ports: u16) -> Result<u64> {
        let mut sum = 0;
        for port in 0..ports {
            let stats = self.ask(&format!("/ethdev/stats,{port}"))?;
            sum += stats["opackets"]
                .as_u64()
                .context("no opackets in /ethdev/stats")?;
        }
        Ok(sum)
    }
}
