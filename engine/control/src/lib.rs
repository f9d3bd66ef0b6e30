//! Requests and replies of the control socket, its server and its client.
//!
//! The socket speaks one JSON object a line: a [`Request`] in, a [`Reply`] out, as often as the
//! client likes. `echo '{"cmd":"show_ha"}' | socat - UNIX:/run/twinline/control.sock` is a client.
//!
//! The engine's side is [`Server`]: threads of its own read, wait and write, and the management
//! core gets each request as a [`Call`] from a bounded channel and answers without ever blocking.
//! [`MetricsServer`] asks through the same channel, and shows Prometheus what it hears.
#![forbid(unsafe_code)]

mod appliance;
mod changes;
mod client;
mod connect;
mod figures;
mod http;
mod line;
mod metrics;
mod outlets;
pub mod render;
mod reply;
mod request;
mod routing;
mod server;
mod status;

pub use appliance::{
    BandwidthStatus, CaptureStatus, FlapsStatus, HeartbeatDump, LcoreStatus, MempoolStatus,
    PortXstats, VersionStatus,
};
pub use changes::{ChangeStatus, ChangesStatus, CommitStatus, CommitsStatus};
pub use client::{Client, ClientError};
pub use figures::{Histogram, MetricsStatus, RoleChanges};
pub use http::HttpError;
pub use metrics::{MetricsServer, metrics_text};
pub use outlets::{EventRecord, OutletStatus};
pub use reply::{Payload, Reply};
pub use request::Request;
pub use routing::{
    HeardRouter, InterfaceStatus, InterfacesStatus, NeighbourStatus, RouteStatus,
    VirtualRouterCounters, VirtualRouterStatus, VirtualRoutersStatus,
};
pub use server::{Access, Asker, BindError, Call, Caller, Limits, Server, read_only_path};
pub use status::{
    Alarm, BypassStatus, ConfigStatus, DirectionStatus, Event, HaStatus, Lateness, LegStatus,
    LinkPairStatus, PathStatus, PeerStatus, PortCounters, PortStatus,
};

/// Where the control socket is unless the configuration says otherwise.
pub const DEFAULT_PATH: &str = "/run/twinline/control.sock";
