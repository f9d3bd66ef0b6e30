//! The usual reasons why the EAL does not start, found before it tries, and
//! its own last words made plain when it fails nevertheless.

use std::ffi::CString;
use std::fs;
use std::path::Path;

use super::{EalOptions, Huge};
use crate::{Errno, Error};

const CPU_ONLINE: &str = "/sys/devices/system/cpu/online";
const HUGEPAGES: &str = "/sys/kernel/mm/hugepages";
const MOUNTS: &str = "/proc/self/mounts";

/// Cores and hugepages.
pub(super) fn check(options: &EalOptions) -> Result<(), Error> {
    let online = fs::read_to_string(CPU_ONLINE).unwrap_or_default();
    let online = online.trim();
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    for core in std::iter::once(options.main_core).chain(options.worker_cores.iter().copied()) {
        // Without sysfs there is nothing to check against.
        if !online.is_empty() && !list_has(online, core) {
            return Err(Error::NoSuchCore {
                core,
                online: online.to_owned(),
            });
        }
        if !allowed.is_empty() && !allowed.iter().any(|id| id.id == core) {
            let allowed: Vec<String> = allowed.iter().map(|id| id.id.to_string()).collect();
            return Err(Error::CoreNotAllowed {
                core,
                allowed: allowed.join(","),
            });
        }
    }
    match options.huge {
        Huge::Pages => check_hugepages(options),
        Huge::NoHuge => Ok(()),
    }
}

/// Whether a kernel's list (`0-3,8`) has `number`.
fn list_has(list: &str, number: usize) -> bool {
    list.split(',').any(|part| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        match (low.trim().parse::<usize>(), high.trim().parse::<usize>()) {
            (Ok(low), Ok(high)) => (low..=high).contains(&number),
            _ => false,
        }
    })
}

fn check_hugepages(options: &EalOptions) -> Result<(), Error> {
    let (total_kb, free_kb, smallest_kb) = hugepages(Path::new(HUGEPAGES));
    let needed_kb = match options.memory_mb {
        Some(mb) => u64::from(mb) * 1024,
        None => smallest_kb.max(1),
    };
    if free_kb < needed_kb {
        return Err(Error::NoHugepages {
            free_mb: free_kb / 1024,
            total_mb: total_kb / 1024,
            needed_mb: needed_kb.div_ceil(1024),
        });
    }
    // With these the EAL needs no mount, or is told of one.
    let unusual = |a: &String| a.starts_with("--in-memory") || a.starts_with("--huge-dir");
    if options.extra.iter().any(unusual) {
        return Ok(());
    }
    let Ok(mounts) = fs::read_to_string(MOUNTS) else {
        return Ok(());
    };
    let points: Vec<String> = mounts.lines().filter_map(hugetlbfs_mount).collect();
    let Some(first) = points.first() else {
        return Err(Error::HugetlbfsNotMounted);
    };
    if points.iter().any(|point| writable(point)) {
        return Ok(());
    }
    Err(Error::HugetlbfsNotWritable {
        path: first.clone(),
    })
}

/// Reserved and free hugepages in KiB, and the smallest page size that has any.
fn hugepages(dir: &Path) -> (u64, u64, u64) {
    let (mut total, mut free, mut smallest) = (0u64, 0u64, 0u64);
    let Ok(entries) = fs::read_dir(dir) else {
        return (0, 0, 0);
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let size = name
            .to_str()
            .and_then(|name| name.strip_prefix("hugepages-")?.strip_suffix("kB"))
            .and_then(|size| size.parse::<u64>().ok());
        let Some(size) = size else { continue };
        let count = |file: &str| {
            fs::read_to_string(entry.path().join(file))
                .ok()
                .and_then(|text| text.trim().parse::<u64>().ok())
                .unwrap_or(0)
        };
        let reserved = count("nr_hugepages");
        total = total.saturating_add(reserved.saturating_mul(size));
        free = free.saturating_add(count("free_hugepages").saturating_mul(size));
        if reserved > 0 && (smallest == 0 || size < smallest) {
            smallest = size;
        }
    }
    (total, free, smallest)
}

/// The mount point, when a line of `/proc/mounts` is a hugetlbfs.
fn hugetlbfs_mount(line: &str) -> Option<String> {
    let mut fields = line.split(' ');
    let (_, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
    (kind == "hugetlbfs").then(|| point.to_owned())
}

fn writable(path: &str) -> bool {
    let Ok(path) = CString::new(path) else {
        return false;
    };
    // SAFETY: a C string.
    unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) == 0 }
}

/// Whether each `--vdev` has a driver. Only in the static build: the shared one
/// loads its drivers during `rte_eal_init`.
pub(super) fn check_vdevs(options: &EalOptions) -> Result<(), Error> {
    if cfg!(feature = "shared") {
        return Ok(());
    }
    for vdev in &options.vdevs {
        let unknown = || Error::UnknownVdev { name: vdev.clone() };
        let devargs = CString::new(vdev.as_str()).map_err(|_| unknown())?;
        // SAFETY: a C string; drivers have registered themselves in
        // constructors, and parsing touches nothing that needs the EAL.
        if unsafe { dpdk_sys::shim_devargs_check(devargs.as_ptr()) } != 0 {
            return Err(unknown());
        }
    }
    Ok(())
}

/// Turns a failed start into the error that says most.
pub(super) fn explain(errno: Errno, log: &str, options: &EalOptions) -> Error {
    if log.contains("Cannot create lock on") || log.contains("another primary process running") {
        return Error::PrefixInUse {
            prefix: options.file_prefix.clone(),
        };
    }
    if let Some(name) = quoted_after(log, "failed to parse device \"") {
        return Error::UnknownVdev {
            name: name.to_owned(),
        };
    }
    if log.contains("no mounted hugetlbfs found") {
        return Error::HugetlbfsNotMounted;
    }
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let tail = lines.len().saturating_sub(4);
    let last_words = if lines.is_empty() {
        "none".into()
    } else {
        lines[tail..].join("; ")
    };
    Error::EalInit { errno, last_words }
}

/// What stands between `start` and the next quotation mark.
fn quoted_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once('"').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists() {
        assert!(list_has("0-1", 1) && list_has("0,2-4,9", 3) && list_has("7", 7));
        assert!(!list_has("0-1", 2) && !list_has("", 0) && !list_has("x-y,3-", 3));
    }

    #[test]
    fn mounts_are_read() {
        assert_eq!(
            hugetlbfs_mount("nodev /dev/hugepages hugetlbfs rw,pagesize=2M 0 0").as_deref(),
            Some("/dev/hugepages")
        );
        assert_eq!(hugetlbfs_mount("proc /proc proc rw 0 0"), None);
        assert_eq!(hugetlbfs_mount("short"), None);
    }

    #[test]
    fn last_words_are_made_plain() {
        let options = EalOptions::default();
        let explain = |log: &str| explain(Errno::new(22), log, &options);
        assert!(matches!(
            explain("EAL: failed to parse device \"net_bogus0\"\nEAL: Unable to parse\n"),
            Error::UnknownVdev { name } if name == "net_bogus0"
        ));
        assert!(matches!(
            explain("EAL: Cannot create lock on '/var/run/dpdk/x/config'. Is another primary"),
            Error::PrefixInUse { .. }
        ));
        let Error::EalInit { last_words, .. } = explain("a\nb\n\nc\nd\ne\n") else {
            panic!("another error");
        };
        assert_eq!(last_words, "b; c; d; e");
    }
}
