//! What is checked, and how.
//!
//! | check | of the issue | room |
//! |---|---|---|
//! | [`Check::Forwarders`] | a | [`crate::watch`] between events, [`crate::bounds`] |
//! | [`Check::Lease`] | a (rule 11) | [`roles`] |
//! | [`Check::Election`] | b | [`election`] |
//! | [`Check::Health`] | c | [`health`] |
//! | [`Check::Frames`] | d | [`frames`] |
//! | [`Check::Handover`] | d (rule 8) | [`roles`] |
//! | [`Check::Flaps`] | e | [`roles`] |
//! | [`Check::Bounce`] | e | [`election`] |
//! | [`Check::Roles`] | e (rules 6, 9, 10) | [`roles`] |
//! | [`Check::Operator`] | f | [`operator`] |
//! | [`Check::Paths`] | b (rule 12) | [`paths`], [`roles`] |

pub mod election;
pub mod frames;
pub mod health;
pub mod operator;
pub mod paths;
pub mod roles;

use crate::clock::{Ns, text};

/// What was violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// Two carried everything for longer than rules 9 and 11 allow.
    Forwarders,
    /// A lease that is longer than rule 11 allows.
    Lease,
    /// Not exactly one ACTIVE, or the wrong one.
    Election,
    /// A peer's health is not what rules 1 to 3 say.
    Health,
    /// A frame was lost, doubled or sent round.
    Frames,
    /// A hand-over out of order.
    Handover,
    /// Flaps not counted, not latched or not kept.
    Flaps,
    /// Roles move although nothing happens, or too often.
    Bounce,
    /// A role taken or left against the rules.
    Roles,
    /// A verb that did not do what it said.
    Operator,
    /// A path's alarm is missing or stands too long, or something moved that should wait.
    Paths,
    /// The code panicked.
    Panic,
}

impl Check {
    /// Its letter in the issue, and its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarders => "a: two forwarders",
            Self::Lease => "a: lease",
            Self::Election => "b: exactly one ACTIVE",
            Self::Health => "c: peer health",
            Self::Frames => "d: frames",
            Self::Handover => "d: orderly hand-over",
            Self::Flaps => "e: flaps",
            Self::Bounce => "e: no bouncing",
            Self::Roles => "e: roles",
            Self::Operator => "f: operator",
            Self::Paths => "b: two paths",
            Self::Panic => "panic",
        }
    }
}

/// A violation: the run ends with the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, virtually.
    pub at: Ns,
    /// What.
    pub check: Check,
    /// In words.
    pub text: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} s, check {}: {}",
            text(self.at),
            self.check.name(),
            self.text
        )
    }
}
