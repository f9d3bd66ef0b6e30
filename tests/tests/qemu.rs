//! A real PCI function with Silicom's subsystem ids: QEMU's e1000e. It keeps pins, but has no
//! controller behind them, so this is about finding it and reaching its registers in a real kernel.
//!
//! Skipped, and says so, where QEMU, busybox or a kernel are missing (`setup/qemu.sh`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use twinline_tests::engine;

/// Booting takes some 10 s without KVM, on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(240);

/// What the guest does: its words are between marks, on the serial line.
const INIT: &str = "#!/bin/busybox sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs dev /dev
echo \"@@text@@\"
twinline bypass probe 2>&1
echo \"@@code $?@@\"
echo \"@@json@@\"
twinline bypass probe --json 2>&1
echo \"@@code $?@@\"
echo \"@@pins@@\"
bar-pins 0000:00:05.0
echo \"@@code $?@@\"
echo \"@@end@@\"
busybox poweroff -f
";

/// The machine, killed with the test.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
    places.find(|place| place.is_file())
}

fn kernel() -> Option<PathBuf> {
    let named = std::env::var_os("TWINLINE_QEMU_KERNEL").map(PathBuf::from);
    let fetched = engine::build_directory().join("qemu/vmlinuz");
    named.or(Some(fetched)).filter(|kernel| kernel.is_file())
}

/// Copies a program and the libraries that it needs to where the guest will find them.
fn install(root: &Path, program: &Path, name: &str) {
    let copy = |from: &Path, to: &Path| {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    copy(program, &root.join("bin").join(name));
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for library in listed.split_whitespace().filter(|w| w.starts_with('/')) {
        copy(Path::new(library), &root.join(&library[1..]));
    }
}

/// Packs the guest's files as the kernel takes them.
fn pack(root: &Path, into: &Path) {
    let script = "cd \"$1\" && find . | busybox cpio -o -H newc 2>/dev/null >\"$2\"";
    let packed = Command::new("sh")
        .args(["-c", script, "pack"])
        .args([root, into])
        .status()
        .unwrap();
    assert!(packed.success());
}

/// Boots, and returns what the guest wrote.
fn boot(kernel: &Path, initrd: &Path, log: &Path) -> String {
    let child = Command::new("qemu-system-x86_64")
        .args(["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"])
        .args(["-m", "768", "-smp", "1", "-nodefaults", "-no-user-config"])
        .args(["-display", "none", "-no-reboot", "-serial"])
        .arg(format!("file:{}", log.display()))
        .args(["-device", "e1000e,addr=5,subsys_ven=0x1374,subsys=0x388"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initrd)
        .args(["-append", "console=ttyS0 quiet panic=-1"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut machine = Machine(child);
    let begun = Instant::now();
    let read = || String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).replace('\r', "");
    loop {
        if let Some(status) = machine.0.try_wait().unwrap() {
            assert!(status.success(), "{status}; {}", read());
            return read();
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "no end after {PATIENCE:?}: {}",
            read()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What the guest wrote under a mark, and the exit code.
fn part<'a>(said: &'a str, mark: &str) -> (&'a str, &'a str) {
    let parts = said
        .split_once(&format!("@@{mark}@@\n"))
        .and_then(|(_, rest)| rest.split_once("@@code "))
        .and_then(|(text, rest)| Some((text, rest.split_once("@@")?.0)));
    parts.unwrap_or_else(|| panic!("no part {mark}: {said}"))
}

#[test]
fn a_board_on_a_real_pci_bus_is_found_and_its_pins_move_alone() {
    if !cfg!(target_arch = "x86_64") {
        println!("SKIPPED: the QEMU test runs this machine's programs in an x86-64 machine");
        return;
    }
    let needed = ["qemu-system-x86_64", "busybox", "ldd"];
    let missing: Vec<_> = needed
        .into_iter()
        .filter(|n| program(n).is_none())
        .collect();
    let (Some(kernel), []) = (kernel(), missing.as_slice()) else {
        println!(
            "SKIPPED: the QEMU test needs {} and a kernel; fetch them: sh setup/qemu.sh",
            needed.join(", ")
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for name in ["bin", "proc", "sys", "dev"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    install(&root, &program("busybox").unwrap(), "busybox");
    let twinline = engine::find(None).unwrap_or_else(|e| panic!("{e}"));
    install(&root, &twinline, "twinline");
    install(&root, Path::new(env!("CARGO_BIN_EXE_bar-pins")), "bar-pins");
    fs::write(root.join("init"), INIT).unwrap();
    fs::set_permissions(root.join("init"), PermissionsExt::from_mode(0o755)).unwrap();
    let initrd = folder.path().join("initrd");
    pack(&root, &initrd);
    let log = folder.path().join("serial");
    File::create(&log).unwrap();
    let said = boot(&kernel, &initrd, &log);

    let (text, code) = part(&said, "text");
    let first = text.lines().next().unwrap_or_default();
    assert_eq!(first, "0000:00:05.0  Silicom", "{said}");
    assert!(
        text.contains("8086:10d3, board 1374:0388, driver none"),
        "{said}"
    );
    // No driver knows this NIC with that board: listed all the same, and the exit code tells.
    assert!(text.contains("not reached"), "{said}");
    assert_eq!(code, "1", "{said}");

    let (json, code) = part(&said, "json");
    let json: serde_json::Value =
        serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(json[0]["address"], "0000:00:05.0", "{said}");
    assert_eq!(json[0]["subsystem"], "1374:0388", "{said}");
    assert_eq!(json.as_array().map(Vec::len), Some(1), "{said}");
    assert_eq!(code, "1", "{said}");

    let (pins, code) = part(&said, "pins");
    assert_eq!(
        pins, "bar-pins: 20 moves, each read back, no other bit changed\n",
        "{said}"
    );
    assert_eq!(code, "0", "{said}");
}
