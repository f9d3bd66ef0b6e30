//! The configuration in force, written to the operator's file.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use twinline_config::{Config, edit, read_text};

use super::prepare::lines;
use super::store::{hash, write_whole};

/// Writes `text` to the file, with the comments that the file has. Gives what was written, what that
/// is, and a line for the operator.
pub(super) fn save(
    path: &Path,
    text: &str,
    file_hash: &str,
) -> Result<(String, Config, String), String> {
    let io = |error: io::Error| format!("{} cannot be written: {error}", path.display());
    let config = match Config::parse(text, "committed") {
        Ok(loaded) => loaded.config,
        Err(errors) => return Err(lines(&errors)),
    };
    // where it is a link, what it leads to is written
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let there = match fs::metadata(&target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io(error)),
        Ok(_) => Some(read_text(&target).map_err(|errors| lines(&errors))?),
    };
    let Some(there) = there else {
        write_whole(&target, text.as_bytes(), 0o640, None).map_err(io)?;
        let message = format!("saved to {}, which was not there", path.display());
        return Ok((text.to_owned(), config, message));
    };
    let says = Config::parse(&there, path).map(|loaded| loaded.config);
    if says.as_ref().is_ok_and(|says| *says == config) {
        let message = format!("{} says the same already", path.display());
        return Ok((there, config, message));
    }
    if hash(&there) != file_hash {
        return Err(format!(
            "{} was edited since the engine read it: it is not overwritten; a reload (SIGHUP) puts it \
             into force, or move it away and save again",
            path.display()
        ));
    }
    let written = edit::keeping_comments(&there, text);
    let meta = fs::metadata(&target).map_err(io)?;
    let mode = meta.permissions().mode() & 0o7777;
    let owner = (meta.uid(), meta.gid());
    write_whole(&target, written.as_bytes(), mode, Some(owner)).map_err(io)?;
    sync_folder(&target);
    Ok((written, config, format!("saved to {}", path.display())))
}

/// The new name is on the disk, too; where that cannot be had, the old file or the new one is.
fn sync_folder(file: &Path) {
    if let Some(folder) = file.parent()
        && let Err(error) = fs::File::open(folder).and_then(|folder| folder.sync_all())
    {
        log::warn!("{}: {error}", folder.display());
    }
}
