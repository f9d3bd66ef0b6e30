//! The metrics' side of monitoring: what Prometheus fetches, over HTTP.

mod exposition;
mod families;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::figures::MetricsStatus;
use crate::http::{Answer, HttpError, HttpServer};
use crate::{Asker, Payload, Reply, Request};
use exposition::Ratchet;

/// For how long figures are served before the engine is asked again.
const FRESH: Duration = Duration::from_millis(200);
/// The text format's version, for Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of one moment in Prometheus' text format.
#[must_use]
pub fn metrics_text(status: &MetricsStatus) -> String {
    families::text(status, &mut Ratchet::default())
}

/// Serves `/metrics` and `/healthz` until it is dropped.
///
/// Scrapes never cost the engine much: however many there are, it is asked five times a second at
/// most.
#[derive(Debug)]
pub struct MetricsServer {
    http: HttpServer,
}

impl MetricsServer {
    /// Listens on `address`. Figures come from `engine`; `healthy` says whether the management
    /// loop turns.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(
        address: SocketAddr,
        engine: Asker,
        healthy: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<MetricsServer, HttpError> {
        let scraper = Mutex::new(Scraper {
            engine,
            ratchet: Ratchet::default(),
            text: None,
        });
        let answer = move |path: &str| match path {
            // Scrapes at once wait for each other: the second then finds fresh figures.
            "/metrics" => lock(&scraper).answer(),
            "/healthz" if healthy() => Answer::ok("text/plain; charset=utf-8", "ok\n".into()),
            "/healthz" => Answer::unavailable("the management loop does not turn"),
            _ => Answer::not_found("accepted: /metrics, /healthz"),
        };
        let http = HttpServer::bind(address, Arc::new(answer))?;
        Ok(MetricsServer { http })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.http.address()
    }
}

fn lock(scraper: &Mutex<Scraper>) -> std::sync::MutexGuard<'_, Scraper> {
    // Nothing is left half done by a panic that could not be scraped again.
    scraper.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Scraper {
    engine: Asker,
    ratchet: Ratchet,
    text: Option<(Instant, String)>,
}

impl Scraper {
    fn answer(&mut self) -> Answer {
        if let Some((at, text)) = &self.text
            && at.elapsed() < FRESH
        {
            return Answer::ok(TEXT, text.clone());
        }
        match self.engine.ask(Request::ShowMetrics) {
            Reply::Ok(Payload::Metrics(status)) => {
                let text = families::text(&status, &mut self.ratchet);
                self.text = Some((Instant::now(), text.clone()));
                Answer::ok(TEXT, text)
            }
            Reply::Error { message } => Answer::unavailable(&message),
            Reply::Refused { reason } => Answer::unavailable(&reason),
            Reply::Ok(_) => Answer::unavailable("the engine answered something else"),
        }
    }
}

#[cfg(test)]
mod tests;
