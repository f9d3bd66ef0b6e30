//! Plans and applies on a fake sysfs in a tempdir, with a kernel that gives what the test says.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use hugepages_setup::apply::{ApplyError, Kernel, apply};
use hugepages_setup::plan::{Plan, Request, plan};
use hugepages_setup::snapshot::{PageSize, Root, Snapshot, node_folder, pool_folder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A machine in a tempdir.
struct Fake {
    dir: TempDir,
    /// The most pages that the kernel gives.
    limit: u64,
    /// Pages that compaction makes possible on top.
    after_compaction: u64,
    mount_fails: bool,
    log: Vec<String>,
}

impl Fake {
    fn new(total: u64, free: u64, limit: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake {
            dir,
            limit,
            after_compaction: 0,
            mount_fails: false,
            log: Vec::new(),
        };
        for folder in [pool_folder(PageSize::M2), node_folder(0, PageSize::M2)] {
            let folder = fake.root().at(&folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("nr_hugepages"), format!("{total}\n")).unwrap();
            fs::write(folder.join("free_hugepages"), format!("{free}\n")).unwrap();
            fs::write(folder.join("resv_hugepages"), "0\n").unwrap();
        }
        fs::create_dir_all(fake.dir.path().join("proc")).unwrap();
        fs::create_dir_all(fake.dir.path().join("dev")).unwrap();
        fs::write(fake.mounts(), "proc /proc proc rw 0 0\n").unwrap();
        fake
    }

    fn root(&self) -> Root {
        Root(self.dir.path().to_owned())
    }

    fn mounts(&self) -> PathBuf {
        self.dir.path().join("proc/mounts")
    }

    fn total(&self) -> u64 {
        let file = self
            .root()
            .at(&pool_folder(PageSize::M2))
            .join("nr_hugepages");
        fs::read_to_string(file).unwrap().trim().parse().unwrap()
    }

    fn mounted(&self) -> bool {
        fs::read_to_string(self.mounts())
            .unwrap()
            .contains("hugetlbfs")
    }

    fn plan(&self, pages: u64, ensure: bool) -> Plan {
        let now = Snapshot::read(&self.root(), PageSize::M2).unwrap();
        plan(
            &now,
            Request {
                pages,
                size: PageSize::M2,
                ensure,
                node: None,
            },
        )
        .unwrap()
    }

    fn apply(&mut self, plan: &Plan, undo: Option<&Path>) -> Result<(), ApplyError> {
        let root = self.root();
        apply(&root, self, plan, undo)
    }
}

impl Kernel for Fake {
    fn set_pages(&mut self, file: &Path, pages: u64) -> io::Result<()> {
        let folder = file.parent().unwrap();
        let read = |name: &str| -> u64 {
            fs::read_to_string(folder.join(name))
                .unwrap()
                .trim()
                .parse()
                .unwrap()
        };
        let in_use = read("nr_hugepages") - read("free_hugepages");
        let given = pages.min(self.limit).max(in_use);
        fs::write(file, format!("{given}\n"))?;
        self.log.push(format!("set {pages}"));
        fs::write(
            folder.join("free_hugepages"),
            format!("{}\n", given - in_use),
        )
    }

    fn compact(&mut self) {
        self.log.push("compact".into());
        self.limit += self.after_compaction;
    }

    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }

    fn remove_folder(&mut self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }

    fn mount(&mut self, _: &Path, _: PageSize) -> io::Result<()> {
        if self.mount_fails {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        fs::write(
            self.mounts(),
            "none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n",
        )
    }

    fn unmount(&mut self, _: &Path) -> io::Result<()> {
        fs::write(self.mounts(), "")
    }
}

#[test]
fn reserves_and_mounts_and_is_then_content() {
    let mut fake = Fake::new(0, 0, 10_000);
    let undo = fake.dir.path().join("undo.sh");
    let wanted = fake.plan(512, true);
    assert_eq!(wanted.steps.len(), 3);
    fake.apply(&wanted, Some(&undo)).unwrap();
    assert_eq!(fake.total(), 512);
    assert!(fake.mounted());
    assert_eq!(fake.log, ["set 512"]);
    assert!(fs::read_to_string(undo).unwrap().contains("echo 0 > "));
    // once more: nothing to do
    assert!(fake.plan(512, true).steps.is_empty());
}

#[test]
fn too_few_pages_are_given_back_and_said() {
    let mut fake = Fake::new(4, 4, 100);
    let undo = fake.dir.path().join("undo.sh");
    let wanted = fake.plan(512, true);
    let error = fake.apply(&wanted, Some(&undo)).unwrap_err();
    assert!(error.no_pages());
    assert!(
        error
            .to_string()
            .starts_with("the kernel gave 100 of 512 pages of 2 MiB"),
        "{error}"
    );
    assert_eq!(fake.total(), 4);
    assert!(!fake.mounted());
    assert!(!fake.dir.path().join("dev/hugepages").exists());
    assert!(!undo.exists());
    assert_eq!(fake.log, ["set 512", "compact", "set 512", "set 4"]);
}

#[test]
fn compaction_may_help() {
    let mut fake = Fake::new(0, 0, 100);
    fake.after_compaction = 500;
    let wanted = fake.plan(512, true);
    fake.apply(&wanted, None).unwrap();
    assert_eq!(fake.total(), 512);
}

#[test]
fn a_failed_mount_takes_the_pages_back() {
    let mut fake = Fake::new(0, 0, 10_000);
    fake.mount_fails = true;
    let wanted = fake.plan(512, true);
    let error = fake.apply(&wanted, None).unwrap_err();
    assert!(!error.no_pages());
    assert!(
        error
            .to_string()
            .ends_with("permission denied; run as root"),
        "{error}"
    );
    assert_eq!(fake.total(), 0);
    assert!(!fake.dir.path().join("dev/hugepages").exists());
}

#[test]
fn pages_in_use_are_left_and_more_are_added() {
    let mut fake = Fake::new(300, 100, 10_000);
    let wanted = fake.plan(256, true);
    fake.apply(&wanted, None).unwrap();
    assert_eq!(fake.total(), 456);
}

#[test]
fn an_undo_file_that_exists_is_never_overwritten() {
    let mut fake = Fake::new(0, 0, 10_000);
    let undo = fake.dir.path().join("undo.sh");
    fs::write(&undo, "precious").unwrap();
    let wanted = fake.plan(512, true);
    let error = fake.apply(&wanted, Some(&undo)).unwrap_err();
    assert!(
        error.to_string().contains("it may undo an earlier run"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(undo).unwrap(), "precious");
    assert_eq!((fake.total(), fake.mounted()), (0, false));
}

#[test]
fn the_undo_script_restores_the_fake_machine() {
    // paths of the plan are those of the real machine: check the script's text by running it on
    // the fake's paths, with umount and rmdir as sh functions
    let mut fake = Fake::new(7, 7, 10_000);
    let undo = fake.dir.path().join("undo.sh");
    let wanted = fake.plan(512, true);
    fake.apply(&wanted, Some(&undo)).unwrap();
    let root = fake.dir.path().display().to_string();
    let script = fs::read_to_string(&undo)
        .unwrap()
        .replace("> /sys", &format!("> {root}/sys"))
        .replace("rmdir /dev", &format!("rmdir {root}/dev"))
        .replace("umount /dev/hugepages", &format!(": > {root}/proc/mounts"));
    let status = std::process::Command::new("sh")
        .arg("-c")
        .arg(&script)
        .status()
        .unwrap();
    assert!(status.success(), "{script}");
    assert_eq!((fake.total(), fake.mounted()), (7, false));
    assert!(!fake.dir.path().join("dev/hugepages").exists());
}

#[test]
fn nothing_to_do_still_gives_an_undo_file_that_does_nothing() {
    let mut fake = Fake::new(512, 512, 10_000);
    fs::write(
        fake.mounts(),
        "none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n",
    )
    .unwrap();
    let undo = fake.dir.path().join("undo.sh");
    let wanted = fake.plan(512, true);
    assert!(wanted.steps.is_empty());
    fake.apply(&wanted, Some(&undo)).unwrap();
    let status = std::process::Command::new("sh")
        .arg(&undo)
        .status()
        .unwrap();
    assert!(status.success());
    assert!(fake.log.is_empty());
}

#[test]
fn a_kernel_without_hugepages() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("proc")).unwrap();
    fs::write(dir.path().join("proc/mounts"), "").unwrap();
    let now = Snapshot::read(&Root(dir.path().to_owned()), PageSize::M2).unwrap();
    let request = Request {
        pages: 1,
        size: PageSize::M2,
        ensure: true,
        node: None,
    };
    let error = ApplyError::from(plan(&now, request).unwrap_err());
    assert!(error.no_pages());
}
