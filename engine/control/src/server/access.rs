use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Group, Uid, User};

/// Who may use a socket, and for what.
///
/// The kernel checks it when a client connects, by the mode of the socket's file, with all the
/// groups that the client has: nothing here looks at groups again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The members of this group (mode 0660); none: the engine's user and root alone (mode 0600).
    pub group: Option<String>,
    /// Only what looks is answered ([`Request::only_reads`](crate::Request::only_reads)); all else is
    /// refused.
    pub read_only: bool,
}

impl Access {
    /// The mode of the socket's file.
    pub(super) fn mode(&self) -> u32 {
        if self.group.is_some() { 0o660 } else { 0o600 }
    }
}

/// The socket beside `path` on which one may only look: `path` with `.ro` behind it.
#[must_use]
pub fn read_only_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".ro");
    PathBuf::from(name)
}

/// The number of a group; none when there is no such group.
pub(super) fn group_id(name: &str) -> io::Result<Option<u32>> {
    let found = Group::from_name(name).map_err(io::Error::from)?;
    Ok(found.map(|group| group.gid.as_raw()))
}

/// Who is at the other end of a connection, as the kernel noted it when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Process id; 0 where it cannot be seen from here.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// The user's name; its number where it has none.
    pub user: String,
}

impl Caller {
    /// Who connected. Looks the user's name up, which may take a while where names come over a
    /// network.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Caller> {
        let of = getsockopt(stream, sockopt::PeerCredentials).map_err(io::Error::from)?;
        let user = User::from_uid(Uid::from_raw(of.uid())).ok().flatten();
        Ok(Caller {
            pid: of.pid(),
            uid: of.uid(),
            user: user.map_or_else(|| of.uid().to_string(), |user| user.name),
        })
    }

    /// For a connection whose other end is not known.
    pub(super) fn unknown() -> Caller {
        Caller {
            pid: 0,
            uid: u32::MAX,
            user: String::from("?"),
        }
    }
}
