//! What only one engine in a network namespace may hold: an instance id in its stack, and each
//! kernel interface.
//!
//! Two engines on the same interfaces do not hear each other (a packet socket does not hear its
//! neighbour on the same interface), so each would be ACTIVE. A claim is an abstract Unix socket:
//! it belongs to the network namespace, as the interfaces do, and goes with its process however
//! that ends.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use anyhow::{Context, bail};
use twinline_config::{Config, Device};

/// Claims that are held; given up by drop.
#[derive(Debug)]
pub struct Claims {
    _held: Vec<UnixListener>,
}

impl Claims {
    /// Claims what this configuration uses.
    pub fn take(config: &Config) -> anyhow::Result<Self> {
        let instance = &config.instance;
        let who = format!("instance {} of stack {}", instance.id, instance.stack);
        let name = format!("twinline/stack/{}/{}", instance.stack, instance.id);
        let mut held = vec![claim(&name, &who)?];
        let mut interfaces: Vec<&str> = Vec::new();
        for port in &config.ports {
            let under = match &port.device {
                Device::Vdev(vdev) => vdev.kernel_interface(),
                Device::Pci(_) => None,
            };
            for interface in [under, port.kernel_interface.as_deref()]
                .into_iter()
                .flatten()
            {
                if !interfaces.contains(&interface) {
                    interfaces.push(interface);
                }
            }
        }
        for interface in interfaces {
            let who = format!("kernel interface {interface}");
            held.push(claim(&format!("twinline/interface/{interface}"), &who)?);
        }
        Ok(Self { _held: held })
    }
}

fn claim(name: &str, who: &str) -> anyhow::Result<UnixListener> {
    let address =
        SocketAddr::from_abstract_name(name).with_context(|| format!("{who} cannot be claimed"))?;
    match UnixListener::bind_addr(&address) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "another engine in this network namespace runs {who}: stop it (pgrep -a twinline), or \
             correct this configuration"
        ),
        Err(error) => Err(error).with_context(|| format!("{who} cannot be claimed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_held_once_and_given_up() {
        let name = format!("twinline/test/{}", std::process::id());
        let held = claim(&name, "this test").unwrap();
        let refused = claim(&name, "this test").unwrap_err().to_string();
        assert!(refused.contains("another engine") && refused.contains("this test"));
        drop(held);
        claim(&name, "this test").unwrap();
    }
}
