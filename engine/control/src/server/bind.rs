use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::warn;
use rustix::fs::{FlockOperation, flock};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::access::{Access, group_id};
use crate::connect::connect;

/// Clients that the kernel keeps waiting until they are accepted.
const BACKLOG: i32 = 16;

/// Why the control socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens on it.
    #[error(
        "another engine listens on {} already: stop it, or give this one a socket of its own",
        path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else than a socket has the name.
    #[error(
        "{} is there and is not a socket: move it away, or give the engine another path",
        path.display()
    )]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// No folder to put it in.
    #[error(
        "cannot make the folder {} for the control socket: {error}; set instance.control_socket to \
         a path that can be written",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// The system has no such group.
    #[error(
        "there is no group {group} for {}: make it (`groupadd --system {group}`), or correct \
         instance.control_group and instance.control_read_group",
        path.display()
    )]
    NoGroup {
        /// The socket.
        path: PathBuf,
        /// The group's name.
        group: String,
    },
    /// The group could not be looked up, or the socket not given to it.
    #[error(
        "{} cannot be given to the group {group}: {error}; the engine's user must be root or a \
         member of it",
        path.display()
    )]
    Group {
        /// The socket.
        path: PathBuf,
        /// The group's name.
        group: String,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// The system refused otherwise; a path of more than 107 bytes is one reason.
    #[error(
        "cannot listen on {}: {error}; set instance.control_socket to a path of at most 107 bytes \
         in a folder that can be written",
        path.display()
    )]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}

/// The number of the group that may use the socket.
fn group_of(path: &Path, access: &Access) -> Result<Option<u32>, BindError> {
    let Some(group) = &access.group else {
        return Ok(None);
    };
    match group_id(group) {
        Ok(Some(id)) => Ok(Some(id)),
        Ok(None) => Err(BindError::NoGroup {
            path: path.to_path_buf(),
            group: group.clone(),
        }),
        Err(error) => Err(BindError::Group {
            path: path.to_path_buf(),
            group: group.clone(),
            error,
        }),
    }
}

/// A listening socket at `path` for those who may use it, and its device and inode.
pub(super) fn listen(
    path: &Path,
    access: &Access,
) -> Result<(UnixListener, (u64, u64)), BindError> {
    let group = group_of(path, access)?;
    let io = |error: io::Error| BindError::Io {
        path: path.to_path_buf(),
        error,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let in_folder = |error: io::Error| BindError::Folder {
        path: folder.to_path_buf(),
        error,
    };
    fs::create_dir_all(folder).map_err(in_folder)?;

    // Two engines that start at once must not both find the old socket stale, and the slower one
    // then remove the faster one's: they take turns. The lock ends with the descriptor.
    let turn = File::open(folder).map_err(in_folder)?;
    flock(&turn, FlockOperation::LockExclusive).map_err(|error| in_folder(error.into()))?;

    make_room(path)?;
    let address = SocketAddrUnix::new(path).map_err(|error| io(error.into()))?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|error| io(error.into()))?;
    rustix::net::bind(&socket, &address).map_err(|error| io(error.into()))?;
    // Group and mode are set between bind and listen: before they are, nobody can connect.
    if let (Some(id), Some(group)) = (group, &access.group)
        && let Err(error) = chown(path, None, Some(id))
    {
        let _ = fs::remove_file(path);
        return Err(BindError::Group {
            path: path.to_path_buf(),
            group: group.clone(),
            error,
        });
    }
    let ready = fs::set_permissions(path, Permissions::from_mode(access.mode()))
        .and_then(|()| rustix::net::listen(&socket, BACKLOG).map_err(io::Error::from))
        .and_then(|()| fs::symlink_metadata(path));
    match ready {
        Ok(made) => Ok((UnixListener::from(socket), (made.dev(), made.ino()))),
        Err(error) => {
            let _ = fs::remove_file(path);
            Err(io(error))
        }
    }
}

/// Removes a socket that nobody listens on; refuses anything else that has the name.
fn make_room(path: &Path) -> Result<(), BindError> {
    let io = |error| BindError::Io {
        path: path.to_path_buf(),
        error,
    };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket {
            path: path.to_path_buf(),
        });
    }
    match connect(path, Duration::ZERO) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(io)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(BindError::InUse {
            path: path.to_path_buf(),
        }),
        // Its backlog is full: a stopped engine is an engine.
        Err(error) if error.kind() == ErrorKind::TimedOut => Err(BindError::InUse {
            path: path.to_path_buf(),
        }),
        Err(error) => Err(io(error)),
    }
}

/// Removes our socket's file, unless the name is another's by now.
pub(super) fn remove(path: &Path, ours: (u64, u64)) {
    match fs::symlink_metadata(path) {
        Ok(found) if (found.dev(), found.ino()) == ours => {
            if let Err(error) = fs::remove_file(path) {
                warn!(
                    "control socket {}: cannot remove it: {error}",
                    path.display()
                );
            }
        }
        _ => {}
    }
}
