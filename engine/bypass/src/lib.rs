//! Bypass cards: the trait that every card speaks, and the card that is not there.
