//! `twinline check FILE`: everything that can be known of a configuration without starting.

use std::path::Path;
use std::process::ExitCode;

use crate::output;
use twinline_config::Config;

/// Validates a configuration and its key files; prints every error, one a line.
pub fn check(path: &Path) -> anyhow::Result<ExitCode> {
    let loaded = match Config::load(path) {
        Ok(loaded) => loaded,
        Err(errors) => {
            for error in errors.iter() {
                output::complain(&error.to_string());
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &loaded.warnings {
        output::complain(&format!("warning: {warning}"));
    }
    if let Err(error) = loaded.config.load_keys() {
        output::complain(&error.to_string());
        return Ok(ExitCode::FAILURE);
    }
    let Config {
        instance,
        ports,
        link_pairs,
        ..
    } = &loaded.config;
    output::line(&format!(
        "{}: valid: instance {} ({}) of stack {}, {} ports, {} link pairs{}",
        path.display(),
        instance.name,
        instance.id,
        instance.stack,
        ports.len(),
        link_pairs.len(),
        layer_3_counts(&loaded.config)
    ))?;
    for line in layer_3(&loaded.config) {
        output::line(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How much of layer 3 there is; nothing without interfaces.
fn layer_3_counts(config: &Config) -> String {
    if config.interfaces.is_empty() {
        return String::new();
    }
    format!(
        ", {} interfaces, {} routes, {} virtual routers",
        config.interfaces.len(),
        config.routes.len(),
        config.virtual_routers.len()
    )
}

/// What comes of the keys of layer 3 once defaults are filled in, one line each.
fn layer_3(config: &Config) -> Vec<String> {
    let mut out = Vec::new();
    for interface in &config.interfaces {
        let vlan = match interface.vlan {
            Some(vlan) => format!(" vlan {vlan}"),
            None => String::new(),
        };
        let kernel = match &interface.kernel {
            Some(kernel) => format!(", kernel {kernel}"),
            None => String::new(),
        };
        out.push(format!(
            "  interface {} on {}{vlan}: {}, mtu {}{kernel}",
            interface.name,
            interface.port,
            comma(&interface.addresses),
            interface.mtu
        ));
    }
    for route in &config.routes {
        out.push(format!(
            "  route {} via {} on {}",
            route.prefix, route.via, route.interface
        ));
    }
    for router in &config.virtual_routers {
        let peers = match router.peers.as_slice() {
            [] => String::new(),
            peers => format!(", to {}", comma(peers)),
        };
        out.push(format!(
            "  virtual router {} on {}: vrid {}, version {}, priority {}, every {} ms, {}{peers}",
            router.name,
            router.interface,
            router.vrid,
            router.version.number(),
            router.priority,
            router.interval_ms,
            comma(&router.addresses)
        ));
    }
    out
}

fn comma(list: &[impl ToString]) -> String {
    let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_3_is_shown_with_what_was_filled_in() {
        let text = include_str!("../../../config/examples/l3.toml");
        let config = Config::parse(text, "f").unwrap().config;
        assert_eq!(
            layer_3_counts(&config),
            ", 2 interfaces, 2 routes, 3 virtual routers"
        );
        assert_eq!(
            layer_3(&config),
            [
                "  interface lan0 on p0 vlan 100: 192.0.2.2/24, 2001:db8:1::2/64, mtu 1500, kernel \
                 tw-lan0",
                "  interface wan0 on p1: 198.51.100.2/24, 2001:db8:2::2/64, mtu 1500",
                "  route 0.0.0.0/0 via 198.51.100.1 on wan0",
                "  route ::/0 via fe80::1 on wan0",
                "  virtual router gateway on lan0: vrid 10, version 3, priority 150, every 1000 ms, \
                 192.0.2.1",
                "  virtual router gateway6 on lan0: vrid 10, version 3, priority 150, every 1000 ms, \
                 fe80::10, 2001:db8:1::1",
                "  virtual router uplink on wan0: vrid 20, version 3, priority 150, every 1000 ms, \
                 198.51.100.3",
            ]
        );
        let inline = include_str!("../../../config/examples/standalone.toml");
        let inline = Config::parse(inline, "f").unwrap().config;
        assert_eq!(layer_3_counts(&inline), "");
        assert!(layer_3(&inline).is_empty());
    }
}
