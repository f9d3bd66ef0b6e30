//! Does what a plan says, checks what the kernel gave, and takes it back when that is not enough.

use crate::plan::{Action, Plan, PlanError, Request, Step, plan};
use crate::snapshot::{PageSize, Root, Snapshot, number};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What changes the machine; tests have their own.
pub trait Kernel {
    /// Writes `pages` into a `nr_hugepages`.
    ///
    /// # Errors
    /// As the system gives them.
    fn set_pages(&mut self, file: &Path, pages: u64) -> io::Result<()>;
    /// Asks for memory to be compacted, so that more hugepages fit. May do nothing.
    fn compact(&mut self);
    /// Makes a folder, mode 0755.
    ///
    /// # Errors
    /// As the system gives them.
    fn make_folder(&mut self, folder: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    ///
    /// # Errors
    /// As the system gives them.
    fn remove_folder(&mut self, folder: &Path) -> io::Result<()>;
    /// Mounts hugetlbfs, mode 0700.
    ///
    /// # Errors
    /// As the system gives them.
    fn mount(&mut self, point: &Path, size: PageSize) -> io::Result<()>;
    /// Takes a mount away.
    ///
    /// # Errors
    /// As the system gives them.
    fn unmount(&mut self, point: &Path) -> io::Result<()>;
}

/// The machine itself.
#[derive(Debug)]
pub struct Machine;

impl Kernel for Machine {
    fn set_pages(&mut self, file: &Path, pages: u64) -> io::Result<()> {
        // not fs::write: sysfs files are never to be created
        OpenOptions::new()
            .write(true)
            .open(file)?
            .write_all(format!("{pages}\n").as_bytes())
    }

    fn compact(&mut self) {
        // a help only: without it there may be fewer pages, which is checked afterwards
        let _ = OpenOptions::new()
            .write(true)
            .open("/proc/sys/vm/compact_memory")
            .and_then(|mut file| file.write_all(b"1\n"));
    }

    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o755).create(folder)
    }

    fn remove_folder(&mut self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }

    fn mount(&mut self, point: &Path, size: PageSize) -> io::Result<()> {
        let options = format!("pagesize={},mode=0700", size.mount_option());
        let options = std::ffi::CString::new(options)?;
        let flags = rustix::mount::MountFlags::empty();
        Ok(rustix::mount::mount(
            "none",
            point,
            "hugetlbfs",
            flags,
            Some(options.as_c_str()),
        )?)
    }

    fn unmount(&mut self, point: &Path) -> io::Result<()> {
        Ok(rustix::mount::unmount(
            point,
            rustix::mount::UnmountFlags::empty(),
        )?)
    }
}

/// Why nothing was set up. Whatever had been done was taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The kernel gave fewer pages than asked for.
    #[error(
        "the kernel gave {given} of {wanted} pages of {size}: memory is too full or too scattered; \
         free some, ask for fewer, reserve them at boot (hugepages={wanted} on the kernel command \
         line), or run with --no-huge"
    )]
    TooFew {
        /// Pages wanted.
        wanted: u64,
        /// Pages that could be had.
        given: u64,
        /// Their size.
        size: PageSize,
    },
    /// A step failed.
    #[error("{command}: {source}{}", hint(source))]
    Step {
        /// The step as a shell command.
        command: String,
        /// The system's words.
        source: io::Error,
    },
    /// The undo file cannot be written.
    #[error("undo file {}: {source}{}", path.display(), exists(source))]
    UndoFile {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// sysfs cannot be read.
    #[error("cannot read what the kernel has: {0}")]
    Read(io::Error),
    /// There is no plan any more.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl ApplyError {
    /// The kernel gives no (or too few) pages: the caller may fall back to `--no-huge`.
    #[must_use]
    pub fn no_pages(&self) -> bool {
        matches!(
            self,
            ApplyError::TooFew { .. }
                | ApplyError::Plan(PlanError::NoHugepages | PlanError::NoSuchSize { .. })
        )
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run as root",
        io::ErrorKind::ReadOnlyFilesystem => "; /sys is read-only here (a container?)",
        _ => "",
    }
}

fn exists(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            "; it may undo an earlier run: run it with sh, then remove it"
        }
        _ => "",
    }
}

/// Applies `plan` below `root`.
///
/// The undo file is written first, so that an interrupted run can be undone. It must not exist: it
/// could be the undo of an earlier run.
///
/// # Errors
/// [`ApplyError`]; steps that were done are undone, and the undo file is removed.
pub fn apply(
    root: &Root,
    kernel: &mut dyn Kernel,
    wanted: &Plan,
    undo_file: Option<&Path>,
) -> Result<(), ApplyError> {
    if let Some(path) = undo_file {
        write_new(path, &wanted.undo_script()).map_err(|source| ApplyError::UndoFile {
            path: path.to_owned(),
            source,
        })?;
    }
    let mut done: Vec<&Step> = Vec::new();
    let result = steps(root, kernel, wanted, &mut done);
    if result.is_err() {
        for step in done.iter().rev() {
            // the error that led here is the one to report
            let _ = undo(root, kernel, step);
        }
        if let Some(path) = undo_file {
            let _ = fs::remove_file(path);
        }
    }
    result
}

fn steps<'p>(
    root: &Root,
    kernel: &mut dyn Kernel,
    wanted: &'p Plan,
    done: &mut Vec<&'p Step>,
) -> Result<(), ApplyError> {
    for step in &wanted.steps {
        let failed = |source| ApplyError::Step {
            command: step.command(),
            source,
        };
        // counted as done before it is tried: a write may succeed in part
        done.push(step);
        match &step.action {
            Action::SetPages { file, to, .. } => {
                let file = root.at(file);
                kernel.set_pages(&file, *to).map_err(failed)?;
                if number(&file).map_err(ApplyError::Read)? < *to {
                    kernel.compact();
                    kernel.set_pages(&file, *to).map_err(failed)?;
                }
            }
            Action::MakeFolder { folder } => {
                kernel.make_folder(&root.at(folder)).map_err(failed)?
            }
            Action::Mount { point, size } => {
                kernel.mount(&root.at(point), *size).map_err(failed)?
            }
        }
    }
    check(root, wanted.request)
}

/// The kernel takes a number and gives what it can: look.
fn check(root: &Root, request: Request) -> Result<(), ApplyError> {
    let now = Snapshot::read(root, request.size).map_err(ApplyError::Read)?;
    let left = plan(&now, Request { ..request })?;
    let missing: u64 = left
        .steps
        .iter()
        .map(|step| match step.action {
            Action::SetPages { from, to, .. } => to.saturating_sub(from),
            _ => 0,
        })
        .sum();
    if missing == 0 {
        return Ok(());
    }
    let given = request.pages.saturating_sub(missing);
    Err(ApplyError::TooFew {
        wanted: request.pages,
        given,
        size: request.size,
    })
}

fn undo(root: &Root, kernel: &mut dyn Kernel, step: &Step) -> io::Result<()> {
    match &step.action {
        Action::SetPages { file, from, .. } => kernel.set_pages(&root.at(file), *from),
        Action::MakeFolder { folder } => kernel.remove_folder(&root.at(folder)),
        Action::Mount { point, .. } => kernel.unmount(&root.at(point)),
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}
