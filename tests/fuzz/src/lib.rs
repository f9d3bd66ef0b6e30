//! What the fuzz targets do with their bytes.
//!
//! - [`frames`]: bytes as frames from the HA port, raw or signed with the right key;
//! - [`node`]: bytes as the life of one HA node: messages, time, operators, links;
//! - [`slow_path`]: bytes as what happens to a router's slow path, with another host on its wire.
//!
//! All panic when a promise is broken, whoever calls them: libFuzzer (`targets/`), or a test that
//! plays the committed corpus (`tests/`). The same bytes always do the same.
#![forbid(unsafe_code)]

pub mod frames;
pub mod node;
pub mod script;
pub mod seal;
pub mod sessions;
pub mod slow_path;
pub mod wire;
