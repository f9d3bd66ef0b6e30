//! What the kernel has: pools of hugepages, by node, and hugetlbfs mounts.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A hugepage size of x86-64 and arm64 with 4 KiB base pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageSize {
    /// 2 MiB: can be reserved at run time.
    M2,
    /// 1 GiB: best reserved on the kernel command line.
    G1,
}

impl PageSize {
    /// The size in KiB, as in the names of sysfs.
    #[must_use]
    pub fn kib(self) -> u64 {
        match self {
            PageSize::M2 => 2048,
            PageSize::G1 => 1_048_576,
        }
    }

    /// As hugetlbfs' `pagesize=` has it.
    #[must_use]
    pub fn mount_option(self) -> &'static str {
        match self {
            PageSize::M2 => "2M",
            PageSize::G1 => "1024M",
        }
    }

    /// The folder's name below `/sys/kernel/mm/hugepages`.
    #[must_use]
    pub fn folder(self) -> String {
        format!("hugepages-{}kB", self.kib())
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PageSize::M2 => "2 MiB",
            PageSize::G1 => "1 GiB",
        })
    }
}

impl FromStr for PageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "2M" | "2m" | "2MB" => Ok(PageSize::M2),
            "1G" | "1g" | "1GB" => Ok(PageSize::G1),
            _ => Err("accepted: 2M, 1G".into()),
        }
    }
}

/// The machine's root folder: `/`, or a tempdir in tests.
#[derive(Debug, Clone)]
pub struct Root(pub PathBuf);

impl Root {
    /// The path below this root of an absolute path.
    #[must_use]
    pub fn at(&self, absolute: &Path) -> PathBuf {
        self.0.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }
}

/// The pool of one page size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Pages reserved (`nr_hugepages`).
    pub total: u64,
    /// Pages not in use (`free_hugepages`).
    pub free: u64,
    /// Free pages that are promised to a mapping already (`resv_hugepages`).
    pub promised: u64,
}

impl Pool {
    /// Pages that a new process can have.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.free.saturating_sub(self.promised)
    }
}

/// The share of one NUMA node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePool {
    /// Node number.
    pub node: u32,
    /// Pages reserved on it.
    pub total: u64,
    /// Pages not in use on it.
    pub free: u64,
}

/// A hugetlbfs mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// The `pagesize=` option; none when it is not shown (then the default size).
    pub page_size: Option<String>,
}

/// Everything that a plan needs to know, of one page size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The page size looked at.
    pub size: PageSize,
    /// Its pool; none when the kernel does not have this size.
    pub pool: Option<Pool>,
    /// Folder names of the sizes that the kernel has.
    pub sizes: Vec<String>,
    /// By node; empty on kernels without NUMA.
    pub nodes: Vec<NodePool>,
    /// All hugetlbfs mounts.
    pub mounts: Vec<Mount>,
    /// `/dev/hugepages` exists.
    pub mount_point_exists: bool,
}

/// Where DPDK and systemd mount hugetlbfs.
pub const MOUNT_POINT: &str = "/dev/hugepages";
/// Where 1 GiB pages are mounted, beside the 2 MiB ones.
pub const MOUNT_POINT_1G: &str = "/dev/hugepages1G";

/// The folder of a pool, machine-wide.
#[must_use]
pub fn pool_folder(size: PageSize) -> PathBuf {
    Path::new("/sys/kernel/mm/hugepages").join(size.folder())
}

/// The folder of a pool on one node.
#[must_use]
pub fn node_folder(node: u32, size: PageSize) -> PathBuf {
    Path::new("/sys/devices/system/node")
        .join(format!("node{node}"))
        .join("hugepages")
        .join(size.folder())
}

/// The mount point used for a size.
#[must_use]
pub fn mount_point(size: PageSize) -> &'static Path {
    Path::new(match size {
        PageSize::M2 => MOUNT_POINT,
        PageSize::G1 => MOUNT_POINT_1G,
    })
}

impl Snapshot {
    /// Reads sysfs and `/proc/mounts` below `root`.
    ///
    /// # Errors
    /// When a file that must be there cannot be read or is no number.
    pub fn read(root: &Root, size: PageSize) -> io::Result<Self> {
        let mut sizes = Vec::new();
        match fs::read_dir(root.at(Path::new("/sys/kernel/mm/hugepages"))) {
            Ok(entries) => {
                for entry in entries {
                    sizes.push(entry?.file_name().to_string_lossy().into_owned());
                }
            }
            // a kernel without hugetlbfs
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        sizes.sort();
        let pool = if sizes.contains(&size.folder()) {
            let folder = root.at(&pool_folder(size));
            Some(Pool {
                total: number(&folder.join("nr_hugepages"))?,
                free: number(&folder.join("free_hugepages"))?,
                promised: number(&folder.join("resv_hugepages"))?,
            })
        } else {
            None
        };
        Ok(Self {
            size,
            pool,
            sizes,
            nodes: nodes(root, size)?,
            mounts: parse_mounts(&fs::read_to_string(root.at(Path::new("/proc/mounts")))?),
            mount_point_exists: root.at(mount_point(size)).is_dir(),
        })
    }

    /// A hugetlbfs mount with this page size.
    #[must_use]
    pub fn mount(&self) -> Option<&Mount> {
        self.mounts.iter().find(|m| match m.page_size.as_deref() {
            Some("2M") => self.size == PageSize::M2,
            Some("1024M" | "1G") => self.size == PageSize::G1,
            Some(_) => false,
            // old kernels do not show the default size
            None => self.size == PageSize::M2,
        })
    }
}

fn nodes(root: &Root, size: PageSize) -> io::Result<Vec<NodePool>> {
    let Ok(entries) = fs::read_dir(root.at(Path::new("/sys/devices/system/node"))) else {
        return Ok(Vec::new());
    };
    let mut nodes = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number_of = name
            .to_string_lossy()
            .strip_prefix("node")
            .and_then(|n| n.parse().ok());
        let Some(node) = number_of else { continue };
        let folder = root.at(&node_folder(node, size));
        if !folder.is_dir() {
            continue;
        }
        nodes.push(NodePool {
            node,
            total: number(&folder.join("nr_hugepages"))?,
            free: number(&folder.join("free_hugepages"))?,
        });
    }
    nodes.sort_by_key(|n| n.node);
    Ok(nodes)
}

pub(crate) fn number(path: &Path) -> io::Result<u64> {
    let named = |e: String| io::Error::other(format!("{}: {e}", path.display()));
    let text = fs::read_to_string(path).map_err(|e| named(e.to_string()))?;
    text.trim()
        .parse()
        .map_err(|_| named("is not a number".into()))
}

/// The hugetlbfs mounts of `/proc/mounts`.
#[must_use]
pub fn parse_mounts(text: &str) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(' ');
        let (Some(_), Some(point), Some("hugetlbfs"), Some(options)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let page_size = options.split(',').find_map(|o| o.strip_prefix("pagesize="));
        mounts.push(Mount {
            point: PathBuf::from(unescape(point)),
            page_size: page_size.map(str::to_owned),
        });
    }
    mounts
}

/// `/proc/mounts` writes blanks and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = text.to_owned();
    for (escaped, plain) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        out = out.replace(escaped, plain);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found() {
        let text = "proc /proc proc rw 0 0\n\
            none /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n\
            none /mnt/a\\040b hugetlbfs rw,pagesize=1024M 0 0\nbroken\n\n";
        let mounts = parse_mounts(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].page_size.as_deref(), Some("2M"));
        assert_eq!(mounts[1].point, Path::new("/mnt/a b"));
    }

    #[test]
    fn sizes() {
        assert_eq!(
            "2M".parse::<PageSize>().unwrap().folder(),
            "hugepages-2048kB"
        );
        assert_eq!(
            "1G".parse::<PageSize>().unwrap().folder(),
            "hugepages-1048576kB"
        );
        assert!("4K".parse::<PageSize>().is_err());
    }
}
