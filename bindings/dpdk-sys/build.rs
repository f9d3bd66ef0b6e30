//! Finds libdpdk, generates the bindings, builds the shim and says what to link.

#[path = "build/link.rs"]
mod link;

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The oldest release whose headers the shim compiles against.
const MIN_VERSION: (u32, u32) = (22, 11);

const APT_DPDK: &str = "sudo apt install libdpdk-dev pkg-config";
const APT_CLANG: &str = "sudo apt install libclang-dev clang";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ndpdk-sys: {error}\n");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    for path in ["build.rs", "build/link.rs", "shim"] {
        println!("cargo:rerun-if-changed={path}");
    }
    for name in ["TWINLINE_DPDK_PMDS", "LIBCLANG_PATH", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }

    let dpdk = pkg_config::Config::new()
        .cargo_metadata(false)
        .env_metadata(true)
        .print_system_cflags(false)
        .print_system_libs(true)
        .probe("libdpdk")
        .map_err(|e| format!("libdpdk was not found; install it: {APT_DPDK}\n{e}"))?;
    check_version(&dpdk.version)?;

    let mut cflags: Vec<String> = dpdk
        .include_paths
        .iter()
        .map(|path| format!("-I{}", path.display()))
        .collect();
    // -include rte_config.h and the -march that libdpdk itself was built for.
    cflags.extend(other_cflags()?);

    bindings(&cflags)?;
    let shared = env::var_os("CARGO_FEATURE_SHARED").is_some();
    shim(&cflags, shared && link::has_shared_ixgbe(&dpdk));
    link::emit(&dpdk, shared)
}

fn check_version(version: &str) -> Result<(), Box<dyn Error>> {
    let mut parts = version
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < MIN_VERSION {
        return Err(format!(
            "libdpdk {version} is installed, {}.{:02} or newer is needed; {APT_DPDK}",
            MIN_VERSION.0, MIN_VERSION.1
        )
        .into());
    }
    println!("cargo:version={version}");
    Ok(())
}

/// The compiler flags of libdpdk that are no include paths.
fn other_cflags() -> Result<Vec<String>, Box<dyn Error>> {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(program)
        .args(["--cflags-only-other", "libdpdk"])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?
        .split_whitespace()
        .map(str::to_owned)
        .collect())
}

fn bindings(cflags: &[String]) -> Result<(), Box<dyn Error>> {
    // bindgen panics without libclang: look first, to say what to do.
    clang_sys::load()
        .map_err(|e| format!("libclang was not found; install it: {APT_CLANG}\n{e}"))?;

    let mut builder = bindgen::Builder::default()
        .header("shim/shim.h")
        .use_core()
        .generate_comments(false)
        .layout_tests(true)
        .derive_default(true)
        .derive_debug(false)
        .prepend_enum_name(false)
        .formatter(bindgen::Formatter::None)
        .rust_target(bindgen::RustTarget::stable(85, 0).map_err(|e| e.to_string())?)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .clang_args(cflags);
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    for opaque in OPAQUE {
        builder = builder.opaque_type(opaque);
    }
    let bindings = builder
        .allowlist_var("rte_eth_fp_ops")
        .allowlist_var("SHIM_.*")
        .allowlist_type("shim_.*")
        .allowlist_type("rte_eth_(stats|xstat|xstat_name)")
        .generate()
        .map_err(|e| {
            format!("bindgen could not read DPDK's headers (is {APT_CLANG} complete?)\n{e}")
        })?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    bindings.write_to_file(out.join("bindings.rs"))?;
    Ok(())
}

/// Functions that the safe layer calls straight; the rest goes through the shim.
const FUNCTIONS: &[&str] = &[
    "shim_.*",
    "rte_eal_(init|cleanup|hotplug_add|hotplug_remove|remote_launch|wait_lcore|has_hugepages)",
    "rte_eal_get_lcore_state",
    "rte_get_main_lcore",
    "rte_version",
    "rte_strerror",
    "rte_openlog_stream",
    "rte_log_set_global_level",
    "rte_get_tsc_hz",
    "rte_thread_(register|unregister)",
    "rte_pktmbuf_(pool_create|free_bulk)",
    "rte_mempool_(avail_count|in_use_count|free)",
    "rte_ring_(create|free)",
    "rte_eth_from_rings",
    "rte_eth_call_(rx|tx)_callbacks",
    "rte_eth_(add|remove)_(rx|tx)_callback",
    "rte_free",
    "rte_eth_(rx|tx)_queue_setup",
    "rte_eth_dev_(start|stop|close|reset|set_mtu|get_mtu|socket_id|get_port_by_name)",
    "rte_eth_dev_(set_link_up|set_link_down|adjust_nb_rx_tx_desc)",
    "rte_eth_(promiscuous|allmulticast)_(enable|disable|get)",
    "rte_eth_stats_(get|reset)",
    "rte_eth_xstats_(get|get_names|reset)",
    "rte_pdump_(init|uninit)",
    "rte_fib6_(free|add|delete|lookup_bulk)",
    "rte_lpm_(free|add|delete)",
    "rte_tel_data_(string|alloc|free|start_(array|dict)|add_(array|dict)_(string|container))",
    "rte_telemetry_register_cmd",
];

/// Types of which only pointers are used, and packed unions that bindgen
/// cannot lay out.
const OPAQUE: &[&str] = &[
    "rte_mbuf.*",
    "rte_mempool",
    "rte_lpm",
    "rte_ring",
    "rte_devargs",
    "rte_eth_dev",
    "rte_eth_rxtx_callback",
    "rte_eth_rxconf",
    "rte_eth_txconf",
    "_IO_FILE",
    "rte_arp_.*",
    "rte_l2tpv2.*",
    "rte_gtp_psc.*",
    "rte_geneve.*",
    "rte_ipv6_.*",
];

fn shim(cflags: &[String], strong_ixgbe: bool) {
    let mut build = cc::Build::new();
    build.files(["shim/shim.c", "shim/ixgbe.c"]).warnings(true);
    if strong_ixgbe {
        build.define("SHIM_IXGBE_STRONG", None);
    }
    for flag in cflags {
        // System headers: their warnings are not ours to mend.
        match flag.strip_prefix("-I") {
            Some(path) => build.flag("-isystem").flag(path),
            None => build.flag(flag),
        };
    }
    build.compile("twinline_dpdk_shim");
}
