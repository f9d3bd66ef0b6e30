//! `twinline generate`: man pages and completions, from the definitions of the commands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command, Subcommand};
use clap_complete::{Generator, Shell};

use crate::ctl;

#[derive(Args)]
pub struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Man pages, one for each command.
    Man {
        /// The folder that they are written to.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Completions for bash, zsh and fish.
    Completions {
        /// The folder that they are written to.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// Writes what is asked for.
pub fn generate(generate: &Generate, command: Command) -> anyhow::Result<ExitCode> {
    // The version that `--version` prints has a line for DPDK, which a page's head has no room for.
    let command = ctl::documented(command).version(env!("CARGO_PKG_VERSION"));
    match &generate.what {
        What::Man { folder } => man(folder, command)?,
        What::Completions { folder } => completions(folder, command)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn man(folder: &Path, command: Command) -> anyhow::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    page(folder, &command)
}

/// A page, and those of the commands below it: `twinline-ctl-show.8`.
fn page(folder: &Path, command: &Command) -> anyhow::Result<()> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .section("8")
        // No date: the same sources make the same page. The quotes hold the date's place.
        .date("\"\"")
        .manual("Twinline")
        .source(concat!("twinline ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)
        .context("a man page cannot be made")?;
    write(folder, &format!("{name}.8"), &text)?;
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        page(folder, below)?;
    }
    Ok(())
}

fn completions(folder: &Path, mut command: Command) -> anyhow::Result<()> {
    command = command.bin_name("twinline");
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "twinline", &mut text);
        // Where each shell looks, a file has its own name.
        write(folder, &shell.file_name("twinline"), &text)?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, text: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
    written.map_err(|error: io::Error| anyhow::anyhow!("{}: {error}", path.display()))
}
