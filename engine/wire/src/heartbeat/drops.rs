use super::StackName;
use crate::Mac;

/// Why a received frame is not a heartbeat that we take (rule 5). A closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DropCause {
    /// No heartbeat at all: another ethertype, IP protocol or UDP port.
    #[error("not a heartbeat")]
    NotOurs,
    /// Cut short: fewer bytes than a header, or than a length field states.
    #[error("frame is cut short")]
    Truncated,
    /// More bytes than a length field states, or than any heartbeat has.
    #[error("frame has more bytes than it states or than any heartbeat has")]
    Oversized,
    /// Not IPv4, IP options, a fragment, a bad IP or UDP length, or a TTL other than 255.
    #[error("IP header is not acceptable: options, a fragment, or routed (TTL below 255)")]
    BadIp,
    /// The IPv4 header's or the UDP checksum is wrong.
    #[error("checksum is wrong")]
    BadChecksum,
    /// The payload does not start with our magic.
    #[error("payload is not Twinline's")]
    BadMagic,
    /// A version of the protocol that we do not speak.
    #[error("protocol version {0} is not spoken here")]
    BadVersion(u8),
    /// A kind of message that we do not know.
    #[error("message kind {0} is not known here")]
    BadKind(u8),
    /// Of another stack. The name is as the frame states it, printable, and proven by nothing.
    #[error("of another stack: {0}")]
    OtherStack(StackName),
    /// Of our own stack and id, and authentic: our own frame come back (our boot id), or a second
    /// instance configured with our id (another boot id).
    #[error("of our own instance id, boot {boot:016x}, from {src_mac}")]
    OwnInstance {
        /// The boot id in the frame: ours, or a twin's.
        boot: u64,
        /// Who sent it, as Ethernet says.
        src_mac: Mac,
    },
    /// Damaged, signed with another key, or one side has a key and the other none.
    #[error("signed with another key, or damaged")]
    BadKey,
    /// Authentic, but sent for the other path: a capture of one path replayed on the other.
    #[error("sent for the other path")]
    WrongPath,
    /// Authentic, but a field is outside of what it can be.
    #[error("a field is out of its range")]
    Malformed,
}

impl DropCause {
    /// How many causes there are.
    pub const COUNT: usize = 13;

    /// The names of all causes, in the order of [`DropCause::index`].
    pub const NAMES: [&'static str; DropCause::COUNT] = [
        "not_ours",
        "truncated",
        "oversized",
        "bad_ip",
        "bad_checksum",
        "bad_magic",
        "bad_version",
        "bad_kind",
        "other_stack",
        "own_instance",
        "bad_key",
        "malformed",
        "wrong_path",
    ];

    /// 0 to [`DropCause::COUNT`] - 1.
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            DropCause::NotOurs => 0,
            DropCause::Truncated => 1,
            DropCause::Oversized => 2,
            DropCause::BadIp => 3,
            DropCause::BadChecksum => 4,
            DropCause::BadMagic => 5,
            DropCause::BadVersion(_) => 6,
            DropCause::BadKind(_) => 7,
            DropCause::OtherStack(_) => 8,
            DropCause::OwnInstance { .. } => 9,
            DropCause::BadKey => 10,
            DropCause::Malformed => 11,
            DropCause::WrongPath => 12,
        }
    }

    /// The stable name, for logs, metrics and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        DropCause::NAMES
            .get(self.index())
            .copied()
            .unwrap_or("malformed")
    }
}

/// How many frames were dropped, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropCounters {
    counts: [u64; DropCause::COUNT],
}

impl DropCounters {
    /// Counts one frame.
    pub fn count(&mut self, cause: &DropCause) {
        if let Some(count) = self.counts.get_mut(cause.index()) {
            *count = count.saturating_add(1);
        }
    }

    /// Frames dropped for the cause of this name; 0 for a name that is none.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.iter()
            .find(|(cause, _)| *cause == name)
            .map_or(0, |(_, count)| count)
    }

    /// Every cause's name and count, in a fixed order, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DropCause::NAMES.into_iter().zip(self.counts)
    }

    /// Frames dropped for any cause.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }
}
