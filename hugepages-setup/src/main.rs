//! `hugepages-setup`: shows what it would do; `--apply` does it.
#![forbid(unsafe_code)]

use clap::Parser;
use hugepages_setup::apply::{ApplyError, Machine, apply};
use hugepages_setup::plan::{Plan, Request, plan};
use hugepages_setup::snapshot::{PageSize, Root, Snapshot};
use std::path::PathBuf;
use std::process::ExitCode;

/// Reserves hugepages and mounts hugetlbfs, for DPDK. Without --apply it only shows what it would
/// do.
///
/// Exit codes: 0 done, or nothing to do; 1 an error; 2 wrong usage; 3 the kernel does not give the
/// pages (nothing was changed: run DPDK with --no-huge).
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Pages wanted, in all
    #[arg(long, value_name = "N")]
    pages: u64,
    /// Size of a page: 2M or 1G
    #[arg(long, default_value = "2M", value_name = "SIZE")]
    size: PageSize,
    /// Pages wanted are to be available: do nothing if they are, reserve more if not, never fewer
    #[arg(long)]
    ensure: bool,
    /// Reserve on this NUMA node only (otherwise spread over all)
    #[arg(long, value_name = "NODE")]
    node: Option<u32>,
    /// Do it
    #[arg(long)]
    apply: bool,
    /// Write the undo commands as a sh script to this new file
    #[arg(long, value_name = "PATH", requires = "apply")]
    undo_file: Option<PathBuf>,
}

const NO_PAGES: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hugepages-setup: {error}");
            if error.no_pages() {
                ExitCode::from(NO_PAGES)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), ApplyError> {
    let root = Root(PathBuf::from("/"));
    let request = Request {
        pages: arguments.pages,
        size: arguments.size,
        ensure: arguments.ensure,
        node: arguments.node,
    };
    let now = Snapshot::read(&root, arguments.size).map_err(ApplyError::Read)?;
    let wanted = plan(&now, request)?;
    if wanted.steps.is_empty() {
        say(&format!("nothing to do: {}", state(&now)));
    } else if !arguments.apply {
        say("dry run, nothing is changed; --apply does this:");
        list(&wanted);
        return Ok(());
    }
    if !arguments.apply {
        return Ok(());
    }
    apply(&root, &mut Machine, &wanted, arguments.undo_file.as_deref())?;
    if !wanted.steps.is_empty() {
        say("done:");
        list(&wanted);
        if let Some(path) = &arguments.undo_file {
            say(&format!("all of it is undone by: sh {}", path.display()));
        }
    }
    Ok(())
}

/// A line for whoever reads. Nobody may: a closed pipe is no reason to stop half-way.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn list(plan: &Plan) {
    for step in &plan.steps {
        say(&format!("  {step}"));
    }
}

fn state(now: &Snapshot) -> String {
    let pages = now.pool.map_or_else(String::new, |pool| {
        format!(
            "{} pages of {}, {} available",
            pool.total,
            now.size,
            pool.available()
        )
    });
    match now.mount() {
        Some(mount) => format!("{pages}, hugetlbfs on {}", mount.point.display()),
        None => pages,
    }
}
