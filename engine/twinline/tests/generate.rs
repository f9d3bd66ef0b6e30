//! `twinline --version`, man pages and completions.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn twinline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twinline"))
        .args(arguments)
        .output()
        .unwrap()
}

fn generate(what: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    // A folder that is not there yet is made.
    let inside = folder.path().join("a/b");
    let output = twinline(&["generate", what, inside.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    folder
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("a/b")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_version_says_which_dpdk_and_how_it_is_linked() {
    let output = twinline(&["--version"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [ours, dpdk] = lines.as_slice() else {
        panic!("{text}");
    };
    assert_eq!(*ours, concat!("twinline ", env!("CARGO_PKG_VERSION")));
    let linkage = if cfg!(feature = "shared") {
        ", shared"
    } else {
        ", static"
    };
    assert!(
        dpdk.starts_with("DPDK 2") && dpdk.ends_with(linkage),
        "{text}"
    );
}

#[test]
fn each_command_has_a_man_page_without_errors() {
    let folder = generate("man");
    let names = names(&folder);
    for name in [
        "twinline.8",
        "twinline-run.8",
        "twinline-ctl.8",
        "twinline-top.8",
    ] {
        assert!(
            names.iter().any(|known| known == name),
            "{name} is not in {names:?}"
        );
    }
    assert!(
        !names.iter().any(|name| name.contains("generate")),
        "hidden: {names:?}"
    );
    let there = |tool: &str| Command::new(tool).arg("-V").output().is_ok();
    let (mandoc, man) = (there("mandoc"), there("man"));
    if !mandoc && !man {
        println!("SKIPPED: neither mandoc nor man is installed");
    }
    for name in &names {
        let page = folder.path().join("a/b").join(name);
        let text = fs::read_to_string(&page).unwrap();
        assert!(
            text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"),
            "{name}: {text}"
        );
        if mandoc {
            // It warns of a page without a date; one would differ from build to build.
            let output = Command::new("mandoc")
                .args(["-Tlint", "-Werror"])
                .arg(&page)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{name}: {said}");
        }
        if man {
            let mut command = Command::new("man");
            command
                .env("MANROFFOPT", "-ww")
                .env("LC_ALL", "C.UTF-8")
                .args(["--warnings", "-l"]);
            let output = command.arg(&page).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{name}: {said}");
        }
    }
}

/// What bash offers after these words.
fn bash_completes(script: &Path, words: &[&str]) -> Vec<String> {
    let last = words.len() - 1;
    let program = format!(
        "source '{}' && COMP_WORDS=({}) && COMP_CWORD={last} && \
         _twinline twinline '{}' '{}' && printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.join(" "),
        words[last],
        words[last - 1],
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &program])
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = generate("completions");
    assert_eq!(
        names(&folder),
        ["_twinline", "twinline.bash", "twinline.fish"]
    );
    let script = folder.path().join("a/b/twinline.bash");
    assert_eq!(bash_completes(&script, &["twinline", "to"]), ["top"]);
    assert_eq!(
        bash_completes(&script, &["twinline", "ctl", "sh"]),
        ["show"]
    );
    assert_eq!(
        bash_completes(&script, &["twinline", "top", "--int"]),
        ["--interval"]
    );
    let pages = bash_completes(&script, &["twinline", "top", "--page", "p"]);
    assert_eq!(pages, ["ports", "peers"]);
    // The other shells are not on each machine; their files at least name the same commands.
    for name in ["_twinline", "twinline.fish"] {
        let text = fs::read_to_string(folder.path().join("a/b").join(name)).unwrap();
        assert!(
            text.contains("link-pairs") && text.contains("interval"),
            "{name}"
        );
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let output = twinline(&["generate", "man", "/proc/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/proc/nowhere"), "{said}");
}
