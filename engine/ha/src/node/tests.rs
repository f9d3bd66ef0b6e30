//! The rules of `ha-semantics.md`, each by its number, on whole clusters with a virtual clock.

mod alone;
mod bandwidth;
mod cards;
mod cluster;
mod flaps;
mod handover;
mod healing;
mod hostile;
mod lease;
mod operator;
mod paths;
mod random;
mod routers;
mod sessions;
mod start;
