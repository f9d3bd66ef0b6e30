//! Names of DPDK devices: PCI addresses and vdev strings.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A PCI address, `domain:bus:device.function`, all hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PciAddress {
    /// PCI domain (segment), 0 on most machines.
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Device (slot) number, 0 to 31.
    pub device: u8,
    /// Function number, 0 to 7.
    pub function: u8,
}

impl FromStr for PciAddress {
    type Err = &'static str;

    /// Accepts `0000:03:00.0`, and `03:00.0` for domain 0.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const BAD: &str = "not a PCI address";
        let hex = |part: &str, min: usize, max: usize| -> Result<u32, &'static str> {
            let digits = part.bytes().all(|b| b.is_ascii_hexdigit());
            if !digits || part.len() < min || part.len() > max {
                return Err(BAD);
            }
            u32::from_str_radix(part, 16).map_err(|_| BAD)
        };
        let (rest, function) = text.rsplit_once('.').ok_or(BAD)?;
        let (rest, device) = rest.rsplit_once(':').ok_or(BAD)?;
        let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0000", rest));
        let address = Self {
            domain: hex(domain, 4, 8)?,
            bus: u8::try_from(hex(bus, 2, 2)?).map_err(|_| BAD)?,
            device: u8::try_from(hex(device, 2, 2)?).map_err(|_| BAD)?,
            function: u8::try_from(hex(function, 1, 1)?).map_err(|_| BAD)?,
        };
        if address.device > 31 || address.function > 7 {
            return Err("the device is at most 1f and the function at most 7");
        }
        Ok(address)
    }
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

impl Serialize for PciAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A DPDK virtual device: `driver and number[,argument=value...]`, passed to EAL as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vdev(String);

/// `RTE_DEV_NAME_MAX_LEN` of DPDK is 64 with the final NUL.
const MAX_NAME: usize = 63;
const MAX_VDEV: usize = 512;

impl FromStr for Vdev {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.split(',').next().unwrap_or_default();
        if name.is_empty() || name.len() > MAX_NAME {
            return Err("the name before the first comma has 1 to 63 characters");
        }
        if !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            return Err("the name before the first comma has only letters, digits, `_` and `-`");
        }
        if !name.starts_with("net_") && !name.starts_with("eth_") {
            return Err("the name of an Ethernet vdev begins with net_");
        }
        if text.len() > MAX_VDEV || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("at most 512 bytes, without blanks");
        }
        Ok(Self(text.to_owned()))
    }
}

impl Vdev {
    /// The whole string, as EAL's `--vdev` takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The device's name: what stands before the first comma (`net_af_packet0`).
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split(',').next().unwrap_or_default()
    }

    /// The driver: the name without its final digits (`net_af_packet`).
    #[must_use]
    pub fn driver(&self) -> &str {
        self.name().trim_end_matches(|c: char| c.is_ascii_digit())
    }

    /// The value of an argument (`iface` of `net_af_packet0,iface=lan0`).
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.0
            .split(',')
            .skip(1)
            .filter_map(|part| part.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The kernel interface under this device, for drivers that sit on one. As DPDK does, the
    /// driver is known by how the name begins: `net_af_packet_lan` is `net_af_packet`'s too.
    #[must_use]
    pub fn kernel_interface(&self) -> Option<&str> {
        const ON_AN_INTERFACE: [&str; 5] = [
            "net_af_packet",
            "net_af_xdp",
            "eth_af_packet",
            "eth_af_xdp",
            "net_tap",
        ];
        ON_AN_INTERFACE
            .iter()
            .any(|driver| self.name().starts_with(driver))
            .then(|| self.argument("iface"))
            .flatten()
    }
}

impl fmt::Display for Vdev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Vdev {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses() {
        let full: PciAddress = "0000:3B:1f.7".parse().unwrap();
        assert_eq!(full.to_string(), "0000:3b:1f.7");
        let short: PciAddress = "03:00.1".parse().unwrap();
        assert_eq!(short.to_string(), "0000:03:00.1");
        assert_eq!(
            "10000:03:00.0".parse::<PciAddress>().unwrap().domain,
            0x10000
        );
        for bad in [
            "",
            "03:00",
            "3:00.0",
            "0000:03:20.0",
            "0000:03:00.8",
            "0000:03:00.00",
            "+000:03:00.0",
            "0:03:00.0",
            "0000:gg:00.0",
            "0000:0000:03:00.0",
            "é000:03:00.0",
        ] {
            assert!(bad.parse::<PciAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn vdevs() {
        let v: Vdev = "net_af_packet12,iface=lan0,qpairs=1".parse().unwrap();
        assert_eq!((v.name(), v.driver()), ("net_af_packet12", "net_af_packet"));
        assert_eq!(v.argument("qpairs"), Some("1"));
        assert_eq!(v.kernel_interface(), Some("lan0"));
        let named: Vdev = "net_af_packet_lan,iface=lan0".parse().unwrap();
        assert_eq!(named.kernel_interface(), Some("lan0"));
        let vhost: Vdev = "net_vhost0,iface=/tmp/s".parse().unwrap();
        assert_eq!(vhost.kernel_interface(), None);
        for bad in [
            "",
            ",iface=x",
            "net null",
            "net_null0, x=1",
            "crypto_null0",
            "net_nüll",
        ] {
            assert!(bad.parse::<Vdev>().is_err(), "{bad}");
        }
        assert!(format!("net_{}", "a".repeat(60)).parse::<Vdev>().is_err());
    }
}
