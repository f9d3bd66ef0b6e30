//! What goes wrong with a card.

use std::time::Duration;

use crate::Path;

/// What went wrong with a card, in the words that its operator needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The card cannot do this.
    #[error("this card cannot do that: {0}")]
    NotCapable(String),
    /// The function is not the one that speaks to the card's controller.
    #[error("{0} is not the master function of its pair: name the even function")]
    NotMaster(String),
    /// No card of this kind answers: the signature is another.
    #[error("no card answers: signature {found:#04x}, not {wanted:#04x}")]
    NoSignature {
        /// What was read.
        found: u8,
        /// What a card would say.
        wanted: u8,
    },
    /// Registers read all ones: the device is gone from the bus.
    #[error("the card is gone: its registers read all ones")]
    Gone,
    /// Somebody else speaks to the card.
    #[error("the card is busy: {0}")]
    Busy(String),
    /// The card did not answer in time.
    #[error("the card did not answer within {0:?}")]
    Timeout(Duration),
    /// The card took a command, and does something else.
    #[error("wanted the path {want}, the card's path is {got}")]
    Verify {
        /// The path that was commanded.
        want: Path,
        /// The path that it took.
        got: Path,
    },
    /// A setting did not stay: what was read back is another value.
    #[error("the card did not keep {what}: wrote {wrote:#x}, reads {read:#x}")]
    NotKept {
        /// The setting.
        what: &'static str,
        /// What was written.
        wrote: u32,
        /// What is read.
        read: u32,
    },
    /// A driver or firmware below ours refused, with its own code.
    #[error("the driver refused with code {0}")]
    Rejected(i32),
    /// An operator has inhibited the card's bypass, so it does nothing of the kind.
    #[error("bypass is inhibited on this card")]
    Inhibited,
    /// A value outside of what is accepted.
    #[error("{what} is out of range: {got}; accepted: {accepted}")]
    Range {
        /// Of what.
        what: &'static str,
        /// The value.
        got: String,
        /// What is accepted.
        accepted: String,
    },
    /// Registers could not be reached.
    #[error("{0}")]
    Access(String),
}
