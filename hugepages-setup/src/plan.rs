//! From what is there and what is wanted to steps. Pure: reads and changes nothing.

use crate::snapshot::{PageSize, Snapshot, mount_point, node_folder, pool_folder};
use std::fmt;
use std::path::{Path, PathBuf};

/// What the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Pages; see `ensure`.
    pub pages: u64,
    /// Their size.
    pub size: PageSize,
    /// True: `pages` are to be *available*; more are reserved if need be, never fewer than now.
    /// False: exactly `pages` are reserved in all.
    pub ensure: bool,
    /// Reserve on this NUMA node only; none: spread over all.
    pub node: Option<u32>,
}

/// Something that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write a number of pages into a `nr_hugepages`.
    SetPages {
        /// The file.
        file: PathBuf,
        /// What it says now.
        from: u64,
        /// What is written.
        to: u64,
    },
    /// Make a folder to mount on.
    MakeFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Mount hugetlbfs.
    Mount {
        /// Where.
        point: PathBuf,
        /// `pagesize=` option.
        size: PageSize,
    },
}

/// One step: what, why, and how to undo it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Why.
    pub why: String,
}

impl Step {
    /// The shell command that does it.
    #[must_use]
    pub fn command(&self) -> String {
        match &self.action {
            Action::SetPages { file, to, .. } => format!("echo {to} > {}", quoted(file)),
            Action::MakeFolder { folder } => format!("mkdir {}", quoted(folder)),
            Action::Mount { point, size } => format!(
                "mount -t hugetlbfs -o pagesize={},mode=0700 none {}",
                size.mount_option(),
                quoted(point)
            ),
        }
    }

    /// The shell command that undoes it.
    #[must_use]
    pub fn undo(&self) -> String {
        match &self.action {
            Action::SetPages { file, from, .. } => format!("echo {from} > {}", quoted(file)),
            Action::MakeFolder { folder } => format!("rmdir {}", quoted(folder)),
            Action::Mount { point, .. } => format!("umount {}", quoted(point)),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n    why:  {}\n    undo: {}",
            self.command(),
            self.why,
            self.undo()
        )
    }
}

/// The steps in order. Empty: everything is as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What was asked for.
    pub request: Request,
    /// What to do.
    pub steps: Vec<Step>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The kernel has no hugepages at all.
    #[error("this kernel has no hugepages (no /sys/kernel/mm/hugepages); run with --no-huge")]
    NoHugepages,
    /// The kernel does not have this size.
    #[error("this kernel has no pages of {size}; it has: {has}")]
    NoSuchSize {
        /// The size wanted.
        size: PageSize,
        /// Folder names of the sizes that are there.
        has: String,
    },
    /// The node does not exist.
    #[error("there is no NUMA node {node}; there are: {has}")]
    NoSuchNode {
        /// The node wanted.
        node: u32,
        /// The nodes that are there.
        has: String,
    },
}

/// Decides what to do.
///
/// # Errors
/// When the kernel has no such pages or no such node.
pub fn plan(now: &Snapshot, request: Request) -> Result<Plan, PlanError> {
    if now.sizes.is_empty() {
        return Err(PlanError::NoHugepages);
    }
    let Some(pool) = now.pool else {
        return Err(PlanError::NoSuchSize {
            size: request.size,
            has: now.sizes.join(", "),
        });
    };
    if let Some(node) = request.node
        && !now.nodes.iter().any(|n| n.node == node)
    {
        let has: Vec<String> = now.nodes.iter().map(|n| n.node.to_string()).collect();
        return Err(PlanError::NoSuchNode {
            node,
            has: has.join(", "),
        });
    }
    // pools that the request is about: (file, reserved now, available now)
    let file = |folder: PathBuf| folder.join("nr_hugepages");
    let mut targets: Vec<(PathBuf, u64, u64)> = now
        .nodes
        .iter()
        .filter(|n| request.node.is_none_or(|wanted| n.node == wanted))
        .map(|n| (file(node_folder(n.node, request.size)), n.total, n.free))
        .collect();
    // one node or none: the machine's own file, which also knows what is promised
    if request.node.is_none() && targets.len() < 2 {
        targets = vec![(
            file(pool_folder(request.size)),
            pool.total,
            pool.available(),
        )];
    }
    let mut steps = page_steps(&targets, pool.promised, request);
    if request.pages > 0 && now.mount().is_none() {
        mount_steps(now, request.size, &mut steps);
    }
    Ok(Plan { request, steps })
}

fn page_steps(targets: &[(PathBuf, u64, u64)], promised: u64, request: Request) -> Vec<Step> {
    let sum = |values: &mut dyn Iterator<Item = u64>| values.fold(0u64, u64::saturating_add);
    let total = sum(&mut targets.iter().map(|t| t.1));
    let mut available = sum(&mut targets.iter().map(|t| t.2));
    if targets.len() > 1 || request.node.is_some() {
        // nodes do not say what is promised: take it off once
        available = available.saturating_sub(promised);
    }
    let wanted = if request.ensure {
        if available >= request.pages {
            return Vec::new();
        }
        total.saturating_add(request.pages - available)
    } else {
        request.pages
    };
    let why = if request.ensure {
        format!(
            "{} pages of {} are wanted, {available} of {total} are available",
            request.pages, request.size
        )
    } else {
        format!(
            "{} pages of {} are wanted, there are {total}",
            request.pages, request.size
        )
    };
    let mut steps = Vec::new();
    let count = targets.len() as u64;
    for (index, (file, from, _)) in (0u64..).zip(targets) {
        let share = |all: u64| all / count + u64::from(index < all % count);
        let to = if request.ensure {
            from.saturating_add(share(wanted - total))
        } else {
            share(wanted)
        };
        if to != *from {
            let action = Action::SetPages {
                file: file.clone(),
                from: *from,
                to,
            };
            steps.push(Step {
                action,
                why: why.clone(),
            });
        }
    }
    steps
}

fn mount_steps(now: &Snapshot, size: PageSize, steps: &mut Vec<Step>) {
    let point = mount_point(size);
    if !now.mount_point_exists {
        let action = Action::MakeFolder {
            folder: point.to_owned(),
        };
        steps.push(Step {
            action,
            why: "there is no folder to mount on".into(),
        });
    }
    let action = Action::Mount {
        point: point.to_owned(),
        size,
    };
    let why =
        format!("DPDK maps its memory from a hugetlbfs with pages of {size}; none is mounted");
    steps.push(Step { action, why });
}

impl Plan {
    /// A sh script that undoes all steps, the last one first. It goes on after a failure (a mount
    /// that is in use), and its exit code says whether all went well.
    #[must_use]
    pub fn undo_script(&self) -> String {
        let mut out = String::from("#!/bin/sh\n# Undoes what hugepages-setup did.\nfailed=0\n");
        for step in self.steps.iter().rev() {
            out.push_str(&step.undo());
            out.push_str(" || failed=1\n");
        }
        out.push_str("exit $failed\n");
        out
    }
}

/// A path for sh. All paths are ours; quotes are for paths of tests.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.+=:".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Mount, NodePool, Pool};

    fn machine(total: u64, free: u64, promised: u64) -> Snapshot {
        Snapshot {
            size: PageSize::M2,
            pool: Some(Pool {
                total,
                free,
                promised,
            }),
            sizes: vec!["hugepages-1048576kB".into(), "hugepages-2048kB".into()],
            nodes: vec![NodePool {
                node: 0,
                total,
                free,
            }],
            mounts: vec![Mount {
                point: "/dev/hugepages".into(),
                page_size: Some("2M".into()),
            }],
            mount_point_exists: true,
        }
    }

    fn two_nodes(a: (u64, u64), b: (u64, u64)) -> Snapshot {
        let mut m = machine(a.0.saturating_add(b.0), a.1.saturating_add(b.1), 0);
        m.nodes = vec![
            NodePool {
                node: 0,
                total: a.0,
                free: a.1,
            },
            NodePool {
                node: 1,
                total: b.0,
                free: b.1,
            },
        ];
        m
    }

    fn want(pages: u64, ensure: bool) -> Request {
        Request {
            pages,
            size: PageSize::M2,
            ensure,
            node: None,
        }
    }

    fn commands(now: &Snapshot, request: Request) -> Vec<String> {
        plan(now, request)
            .unwrap()
            .steps
            .iter()
            .map(Step::command)
            .collect()
    }

    const FILE: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

    #[test]
    fn ensure_does_nothing_when_there_are_enough() {
        assert!(commands(&machine(512, 512, 0), want(512, true)).is_empty());
        assert!(commands(&machine(1000, 600, 80), want(512, true)).is_empty());
    }

    #[test]
    fn ensure_adds_what_is_missing_and_never_takes_away() {
        assert_eq!(
            commands(&machine(0, 0, 0), want(512, true)),
            [format!("echo 512 > {FILE}")]
        );
        // 100 of 512 in use: 100 more
        assert_eq!(
            commands(&machine(512, 412, 0), want(512, true)),
            [format!("echo 612 > {FILE}")]
        );
        // promised pages are not available
        assert_eq!(
            commands(&machine(512, 512, 12), want(512, true)),
            [format!("echo 524 > {FILE}")]
        );
        assert!(commands(&machine(512, 512, 0), want(10, true)).is_empty());
    }

    #[test]
    fn without_ensure_the_number_is_exact() {
        assert_eq!(
            commands(&machine(512, 512, 0), want(10, false)),
            [format!("echo 10 > {FILE}")]
        );
        assert_eq!(
            commands(&machine(512, 512, 0), want(0, false)),
            [format!("echo 0 > {FILE}")]
        );
        assert!(commands(&machine(10, 0, 0), want(10, false)).is_empty());
    }

    #[test]
    fn pages_are_spread_over_the_nodes() {
        let file =
            |n| format!("/sys/devices/system/node/node{n}/hugepages/hugepages-2048kB/nr_hugepages");
        assert_eq!(
            commands(&two_nodes((0, 0), (0, 0)), want(5, true)),
            [
                format!("echo 3 > {}", file(0)),
                format!("echo 2 > {}", file(1))
            ]
        );
        assert_eq!(
            commands(&two_nodes((10, 2), (6, 1)), want(5, true)),
            [
                format!("echo 11 > {}", file(0)),
                format!("echo 7 > {}", file(1))
            ]
        );
        assert_eq!(
            commands(&two_nodes((10, 10), (0, 0)), want(10, false)),
            [
                format!("echo 5 > {}", file(0)),
                format!("echo 5 > {}", file(1))
            ]
        );
        // 5 free, 3 of them promised: 3 more
        let mut promised = two_nodes((4, 4), (1, 1));
        promised.pool = Some(Pool {
            total: 5,
            free: 5,
            promised: 3,
        });
        assert_eq!(
            commands(&promised, want(5, true)),
            [
                format!("echo 6 > {}", file(0)),
                format!("echo 2 > {}", file(1))
            ]
        );
        let on_one = Request {
            node: Some(1),
            ..want(5, true)
        };
        assert_eq!(
            commands(&two_nodes((10, 10), (1, 1)), on_one),
            [format!("echo 5 > {}", file(1))]
        );
    }

    #[test]
    fn hugetlbfs_is_mounted_when_absent() {
        let mut now = machine(512, 512, 0);
        now.mounts.clear();
        let mount = "mount -t hugetlbfs -o pagesize=2M,mode=0700 none /dev/hugepages";
        assert_eq!(commands(&now, want(512, true)), [mount]);
        now.mount_point_exists = false;
        assert_eq!(
            commands(&now, want(512, true)),
            ["mkdir /dev/hugepages", mount]
        );
        // a mount of another size is no help
        now.mounts = vec![Mount {
            point: "/x".into(),
            page_size: Some("1024M".into()),
        }];
        now.mount_point_exists = true;
        assert_eq!(commands(&now, want(512, true)), [mount]);
        // no pages wanted: no mount
        assert_eq!(commands(&now, want(0, false)), [format!("echo 0 > {FILE}")]);
    }

    #[test]
    fn the_undo_script_goes_backwards() {
        let mut now = machine(7, 7, 0);
        now.mounts.clear();
        now.mount_point_exists = false;
        let script = plan(&now, want(512, true)).unwrap().undo_script();
        let undos: Vec<&str> = script.lines().filter(|l| l.contains(" || ")).collect();
        assert_eq!(
            undos,
            [
                "umount /dev/hugepages || failed=1",
                "rmdir /dev/hugepages || failed=1",
                &format!("echo 7 > {FILE} || failed=1")
            ]
        );
    }

    #[test]
    fn what_the_kernel_does_not_have() {
        let mut now = machine(0, 0, 0);
        now.sizes = vec!["hugepages-2048kB".into()];
        now.pool = None;
        now.size = PageSize::G1;
        let request = Request {
            size: PageSize::G1,
            ..want(1, true)
        };
        let message = plan(&now, request).unwrap_err().to_string();
        assert_eq!(
            message,
            "this kernel has no pages of 1 GiB; it has: hugepages-2048kB"
        );
        now.sizes.clear();
        assert_eq!(plan(&now, request), Err(PlanError::NoHugepages));
        let nowhere = Request {
            node: Some(9),
            ..want(1, true)
        };
        let message = plan(&machine(0, 0, 0), nowhere).unwrap_err().to_string();
        assert_eq!(message, "there is no NUMA node 9; there are: 0");
    }

    #[test]
    fn absurd_numbers_do_not_overflow() {
        let _ = commands(&machine(u64::MAX, 0, 0), want(u64::MAX, true));
        let _ = commands(
            &two_nodes((u64::MAX, 0), (u64::MAX, 0)),
            want(u64::MAX, true),
        );
    }
}
