//! What to hand to the linker.
//!
//! Static by default: whole archives of the core libraries and of the chosen
//! drivers (drivers register themselves in constructors, which nothing
//! references), then every other library of libdpdk as a plain archive, from
//! which the linker takes only what those need. `pkg-config --static` is not
//! used: it names every driver there is, and libsystemd, libverbs and more.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Core libraries with constructors (telemetry commands, mempool handlers,
/// logs, buses). `log` and `argparse` are their own since 24.03.
const CORE: &[&str] = &[
    "log",
    "argparse",
    "kvargs",
    "telemetry",
    "eal",
    "ring",
    "rcu",
    "mempool",
    "mbuf",
    "net",
    "meter",
    "pci",
    "ethdev",
    "bpf",
    "pcapng",
    "pdump",
    "bus_pci",
    "bus_vdev",
    "mempool_ring",
];

/// Libraries that register a tail queue. A secondary process (dpdk-dumpcap)
/// attaches only when the primary has every tail queue that the secondary has,
/// and a distribution's tools load all plugins, hence all of these.
const TAIL_QUEUES: &[&str] = &[
    "acl",
    "bus_vmbus",
    "distributor",
    "efd",
    "fib",
    "hash",
    "ipsec",
    "lpm",
    "member",
    "pipeline",
    "reorder",
    "rib",
    "stack",
];

/// Drivers of an appliance: virtual ones, the virtual NICs of hypervisors, and
/// Intel's NICs. Each with the helper archives that only some releases have.
const PMDS: &[&str] = &[
    "null",
    "ring",
    "af_packet",
    "pcap",
    "tap",
    "vhost",
    "virtio",
    "memif",
    "e1000",
    "igc",
    "ixgbe",
    "i40e",
    "iavf",
    "ice",
    "vmxnet3",
];

/// Without these the crates above do not link or have nothing to run on.
const NEEDED_PMDS: &[&str] = &["ring"];

/// `common_*` archives with constructors, by the driver that needs them.
const HELPERS: &[(&str, &[&str])] = &[
    ("iavf", &["common_iavf", "net_intel_common"]),
    ("ice", &["common_iavf", "net_intel_common"]),
    ("i40e", &["common_iavf", "net_intel_common"]),
    ("idpf", &["common_iavf", "common_idpf"]),
    ("af_xdp", &[]),
];

/// System libraries that libdpdk's archives may need. Linked when
/// `pkg-config --static` names them and they are installed; rustc passes
/// --as-needed, so that those which nothing uses leave no trace.
const SYSTEM: &[&str] = &[
    "numa", "bsd", "md", "fdt", "pcap", "elf", "z", "jansson", "archive", "crypto", "atomic",
    "xdp", "bpf", "IPSec_MB", "rt", "m", "dl", "pthread",
];

/// Prints the link lines for cargo.
pub fn emit(dpdk: &pkg_config::Library, shared: bool) -> Result<(), Box<dyn Error>> {
    let paths = search_paths(dpdk);
    for path in &paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    if shared {
        emit_shared(dpdk, &paths)
    } else {
        emit_static(dpdk, &paths)
    }
}

fn search_paths(dpdk: &pkg_config::Library) -> Vec<PathBuf> {
    let mut paths: BTreeSet<PathBuf> = dpdk.link_paths.iter().cloned().collect();
    if let Ok(dir) = pkg_config::get_variable("libdpdk", "libdir") {
        paths.insert(PathBuf::from(dir));
    }
    paths.into_iter().collect()
}

/// Whether the shared net_ixgbe can be named to the linker: the shim calls functions of its own.
pub fn has_shared_ixgbe(dpdk: &pkg_config::Library) -> bool {
    exists(&search_paths(dpdk), "librte_net_ixgbe.so")
}

fn emit_shared(dpdk: &pkg_config::Library, paths: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    // Named by a function that the safe layer calls, not part of libdpdk.pc.
    if !exists(paths, "librte_net_ring.so") {
        return Err("librte_net_ring.so is missing; sudo apt install libdpdk-dev".into());
    }
    println!("cargo:rustc-link-lib=dylib=rte_net_ring");
    if exists(paths, "librte_net_ixgbe.so") {
        println!("cargo:rustc-link-lib=dylib=rte_net_ixgbe");
    }
    for lib in &dpdk.libs {
        if lib.starts_with("rte_") {
            println!("cargo:rustc-link-lib=dylib={lib}");
        }
    }
    Ok(())
}

fn emit_static(dpdk: &pkg_config::Library, paths: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let chosen = env::var("TWINLINE_DPDK_PMDS")
        .ok()
        .filter(|list| !list.trim().is_empty());
    let explicit = chosen.is_some();
    let mut pmds: Vec<String> = match chosen {
        Some(list) => list
            .split([',', ' '])
            .filter(|p| !p.is_empty())
            .map(strip_net)
            .collect(),
        None => PMDS.iter().map(|&p| p.to_owned()).collect(),
    };
    for &needed in NEEDED_PMDS {
        if !pmds.iter().any(|pmd| pmd == needed) {
            pmds.push(needed.to_owned());
        }
    }

    let archive = |name: &str| exists(paths, &format!("librte_{name}.a"));
    if !archive("eal") {
        return Err(
            "librte_eal.a is missing: install the archives (sudo apt install \
                    libdpdk-dev) or build with --features shared"
                .into(),
        );
    }

    let mut whole: Vec<String> = CORE
        .iter()
        .chain(TAIL_QUEUES)
        .filter(|name| archive(name))
        .map(|&n| n.to_owned())
        .collect();
    for pmd in &pmds {
        let name = format!("net_{pmd}");
        if !archive(&name) {
            if explicit || NEEDED_PMDS.contains(&pmd.as_str()) {
                return Err(format!(
                    "TWINLINE_DPDK_PMDS: there is no librte_{name}.a in {}",
                    paths
                        .iter()
                        .map(|p| p.display().to_string())
                        .collect::<Vec<_>>()
                        .join(", ")
                )
                .into());
            }
            continue;
        }
        // Its archive is there, but the library that it wraps may not be.
        if pmd == "pcap" && !exists(paths, "libpcap.so") && !exists(paths, "libpcap.a") {
            println!("cargo:warning=net_pcap is left out: libpcap-dev is not installed");
            continue;
        }
        for (_, helpers) in HELPERS.iter().filter(|(driver, _)| driver == pmd) {
            for helper in helpers.iter().filter(|helper| archive(helper)) {
                if !whole.iter().any(|name| name == helper) {
                    whole.push((*helper).to_owned());
                }
            }
        }
        whole.push(name);
    }

    for name in &whole {
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=rte_{name}");
    }
    // In pkg-config's order: each before those that it uses.
    for lib in &dpdk.libs {
        let Some(name) = lib.strip_prefix("rte_") else {
            continue;
        };
        if !whole.iter().any(|w| w == name) && archive(name) {
            println!("cargo:rustc-link-lib=static:-bundle=rte_{name}");
        }
    }
    let wanted = static_system_libs()?;
    for &name in SYSTEM {
        if wanted.contains(name) && system_lib(paths, name) {
            println!("cargo:rustc-link-lib=dylib={name}");
        }
    }
    println!("cargo:pmds={}", pmds.join(","));
    Ok(())
}

fn strip_net(name: &str) -> String {
    name.strip_prefix("net_").unwrap_or(name).to_owned()
}

fn exists(paths: &[PathBuf], file: &str) -> bool {
    paths.iter().any(|path| path.join(file).exists())
}

/// Whether the linker will find it: libc's own libraries always, others by a look.
fn system_lib(paths: &[PathBuf], name: &str) -> bool {
    const LIBC: &[&str] = &["m", "dl", "pthread", "rt"];
    if LIBC.contains(&name) {
        return true;
    }
    let usual = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
    let target = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let multiarch = format!("/usr/lib/{target}-linux-gnu");
    let file = format!("lib{name}.so");
    exists(paths, &file)
        || usual.iter().any(|dir| Path::new(dir).join(&file).exists())
        || Path::new(&multiarch).join(&file).exists()
}

fn static_system_libs() -> Result<BTreeSet<String>, Box<dyn Error>> {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(program)
        .args(["--static", "--libs-only-l", "libdpdk"])
        .output()?;
    let text = if output.status.success() {
        String::from_utf8(output.stdout)?
    } else {
        // A .pc file of a driver's library is missing: the core's own needs.
        String::from("-lnuma -lbsd -lfdt -lpcap -lelf -lz -latomic -lm -ldl -lpthread")
    };
    Ok(text
        .split_whitespace()
        .filter_map(|t| t.strip_prefix("-l"))
        .map(str::to_owned)
        .collect())
}
