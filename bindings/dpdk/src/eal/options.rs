//! How to start the EAL.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Where the memory of frames comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Huge {
    /// Hugepages: needed by NICs, and several times fewer TLB misses.
    #[default]
    Pages,
    /// Ordinary pages (`--no-huge`): virtual devices only, no secondary
    /// processes.
    NoHuge,
}

/// Which PCI devices DPDK may probe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Pci {
    /// None (`--no-pci`).
    #[default]
    None,
    /// These and no others (`-a`); none at all when the list is empty.
    Allow(Vec<PciAddress>),
}

/// A PCI address: `domain:bus:device.function`, e.g. `0000:03:00.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// Domain, 0 on most machines. VMD has domains of 5 digits.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device, 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}:{:02x}:{:02x}.{:x}",
            self.domain, self.bus, self.device, self.function
        )
    }
}

/// Not a PCI address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a PCI address like 0000:03:00.1")]
pub struct BadPciAddress(String);

impl FromStr for PciAddress {
    type Err = BadPciAddress;

    /// With or without the domain.
    fn from_str(text: &str) -> Result<Self, BadPciAddress> {
        parse_pci(text).ok_or_else(|| BadPciAddress(text.chars().take(64).collect()))
    }
}

fn parse_pci(text: &str) -> Option<PciAddress> {
    fn hex(text: &str, digits: usize) -> Option<u32> {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        if plain && text.len() <= digits {
            u32::from_str_radix(text, 16).ok()
        } else {
            None
        }
    }
    let (front, function) = text.split_once('.')?;
    let mut parts = front.rsplit(':');
    let device = hex(parts.next()?, 2)?;
    let bus = hex(parts.next()?, 2)?;
    let domain = parts.next().map_or(Some(0), |domain| hex(domain, 8))?;
    let function = hex(function, 1)?;
    if parts.next().is_some() || device > 31 || function > 7 {
        return None;
    }
    Some(PciAddress {
        domain,
        bus: bus as u8,
        device: device as u8,
        function: function as u8,
    })
}

/// How much DPDK says, from little to much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And warnings.
    Warning,
    /// And what is normal but of note.
    Notice,
    /// And what happens (DPDK's own default).
    Info,
    /// Everything.
    Debug,
}

impl LogLevel {
    fn number(self) -> u32 {
        match self {
            Self::Error => 4,
            Self::Warning => 5,
            Self::Notice => 6,
            Self::Info => 7,
            Self::Debug => 8,
        }
    }
}

/// How to start the EAL. Begin with `EalOptions::default()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EalOptions {
    /// `argv[0]`: the name in log lines.
    pub program: String,
    /// The core that the calling thread is pinned to.
    pub main_core: usize,
    /// Cores for worker threads of the EAL's own, for [`crate::Eal::launch`].
    /// Empty when workers are registered std threads. The main core may be among them.
    pub worker_cores: Vec<usize>,
    /// Names this process' files below `/run/dpdk`: letters, digits, `_`, `-`, `.`.
    pub file_prefix: String,
    /// Memory to take at the start, in MB; more is taken on demand up to what
    /// there is (with [`Huge::NoHuge`] this is all there is; DPDK's default: 64).
    pub memory_mb: Option<u32>,
    /// Hugepages or not.
    pub huge: Huge,
    /// Remove the hugepage files at once, so that a killed process leaves
    /// nothing behind. Secondary processes cannot attach then.
    pub huge_unlink: bool,
    /// Which PCI devices to probe.
    pub pci: Pci,
    /// Virtual devices: `net_null0,size=64`.
    pub vdevs: Vec<String>,
    /// The telemetry socket (`dpdk-telemetry.py -f PREFIX`).
    pub telemetry: bool,
    /// How much DPDK says on stderr and to syslog; `None`: DPDK's default.
    pub log_level: Option<LogLevel>,
    /// Further arguments, as they are.
    pub extra: Vec<String>,
}

impl Default for EalOptions {
    fn default() -> Self {
        Self {
            program: "twinline".into(),
            main_core: 0,
            worker_cores: Vec::new(),
            file_prefix: "twinline".into(),
            memory_mb: None,
            huge: Huge::Pages,
            huge_unlink: false,
            pci: Pci::None,
            vdevs: Vec::new(),
            telemetry: true,
            log_level: Some(LogLevel::Warning),
            extra: Vec::new(),
        }
    }
}

/// More memory than that is a slip of the pen (16 TB).
const MAX_MEMORY_MB: u32 = 16 * 1024 * 1024;

impl EalOptions {
    /// The EAL's command line.
    pub(super) fn arguments(&self) -> Result<Vec<CString>, Error> {
        let invalid = |option, reason: &str| Error::InvalidOption {
            option,
            reason: reason.into(),
        };
        let prefix = &self.file_prefix;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(plain) {
            return Err(invalid(
                "file_prefix",
                "1 to 64 letters, digits, '_', '-' and '.'",
            ));
        }
        if prefix.starts_with('.') {
            return Err(invalid("file_prefix", "must not begin with a dot"));
        }
        if self
            .memory_mb
            .is_some_and(|mb| mb == 0 || mb > MAX_MEMORY_MB)
        {
            return Err(invalid("memory_mb", "1 to 16777216 MB"));
        }
        // A worker may share the main lcore's core (an adaptive one): they are two threads then.
        let mut cores = BTreeSet::new();
        if !self.worker_cores.iter().all(|&core| cores.insert(core)) {
            return Err(invalid("worker_cores", "a core is named twice"));
        }
        if cores.len() >= dpdk_sys::SHIM_MAX_LCORE as usize {
            return Err(invalid("worker_cores", "more than DPDK's RTE_MAX_LCORE"));
        }

        let mut lcores = format!("0@{}", self.main_core);
        for (index, core) in self.worker_cores.iter().enumerate() {
            lcores.push_str(&format!(",{}@{core}", index + 1));
        }
        let mut arguments = vec![
            self.program.clone(),
            format!("--lcores={lcores}"),
            format!("--file-prefix={prefix}"),
        ];
        if let Some(mb) = self.memory_mb {
            arguments.extend(["-m".into(), mb.to_string()]);
        }
        match self.huge {
            Huge::NoHuge => arguments.push("--no-huge".into()),
            Huge::Pages if self.huge_unlink => arguments.push("--huge-unlink".into()),
            Huge::Pages => {}
        }
        match &self.pci {
            Pci::Allow(addresses) if !addresses.is_empty() => {
                arguments.extend(addresses.iter().flat_map(|a| ["-a".into(), a.to_string()]));
            }
            Pci::Allow(_) | Pci::None => arguments.push("--no-pci".into()),
        }
        arguments.extend(self.vdevs.iter().map(|vdev| format!("--vdev={vdev}")));
        if !self.telemetry {
            arguments.push("--no-telemetry".into());
        }
        if let Some(level) = self.log_level {
            arguments.push(format!("--log-level={}", level.number()));
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
            .into_iter()
            .map(|argument| {
                CString::new(argument).map_err(|_| invalid("an option", "contains a NUL byte"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_parse_and_print() {
        for (text, shown) in [
            ("0000:03:00.1", "0000:03:00.1"),
            ("3b:1f.7", "0000:3b:1f.7"),
            ("10000:01:00.0", "10000:01:00.0"),
        ] {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            ".",
            ":",
            "03:00",
            "0000:03:20.0",
            "0000:03:00.8",
            "1:2:3:4.0",
            "+1:0.0",
        ] {
            assert!(text.parse::<PciAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn arguments_are_checked() {
        let bad = |options: EalOptions| options.arguments().unwrap_err();
        for prefix in ["", "..", "a/b", "a%d", "a b", &"x".repeat(65)] {
            let options = EalOptions {
                file_prefix: prefix.into(),
                ..Default::default()
            };
            assert!(matches!(
                bad(options),
                Error::InvalidOption {
                    option: "file_prefix",
                    ..
                }
            ));
        }
        let twice = EalOptions {
            main_core: 0,
            worker_cores: vec![1, 1],
            ..Default::default()
        };
        assert!(matches!(
            bad(twice),
            Error::InvalidOption {
                option: "worker_cores",
                ..
            }
        ));
        let shared = EalOptions {
            main_core: 1,
            worker_cores: vec![1, 0],
            ..Default::default()
        };
        let lcores = CString::new("--lcores=0@1,1@1,2@0").unwrap();
        assert!(shared.arguments().unwrap().contains(&lcores));
        let nul = EalOptions {
            vdevs: vec!["net_null0\0".into()],
            ..Default::default()
        };
        assert!(matches!(bad(nul), Error::InvalidOption { .. }));
        let none = EalOptions {
            memory_mb: Some(0),
            ..Default::default()
        };
        assert!(matches!(
            bad(none),
            Error::InvalidOption {
                option: "memory_mb",
                ..
            }
        ));
    }

    #[test]
    fn an_empty_allow_list_probes_nothing() {
        let options = EalOptions {
            pci: Pci::Allow(vec![]),
            ..Default::default()
        };
        assert!(
            options
                .arguments()
                .unwrap()
                .iter()
                .any(|a| a.as_c_str() == c"--no-pci")
        );
    }
}
