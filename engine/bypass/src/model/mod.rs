//! Models of real cards: what a driver's registers do, what the card decides by itself, and what
//! the cables see, on a virtual clock.

pub mod intel;
